using System.Text;
using EhrGrains.Hl7v2.Acknowledgements;
using EhrGrains.Hl7v2.Batches;
using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Hl7v2.Tests;

/// <summary>What real senders do: each is read, nothing is lost, and each leniency has its code.</summary>
public sealed class QuirkTests
{
    [Fact]
    public void Truncation_character_in_an_old_version()
    {
        using var message = Wire.Message(@"MSH|^~\&#|LAB^2.16^ISO|A|B|C|2024||ORU^R01^ORU_R01|1|P|2.5.1", "NTE|1||a#b");
        message["MSH-3.2"].GetString().ShouldBe("2.16");
        message["NTE-3"].GetString().ShouldBe("a#b");
        message.Codes().ShouldBe([Hl7WarningCode.EarlyTruncationCharacter]);
    }

    [Fact]
    public void Short_and_odd_encoding_characters()
    {
        using var message = Wire.Message(@"MSH|^~\|A|B|C|D|2024||ADT^A01|1|P|2.3", "PID|1||7^&^A");
        message["PID-3.2"].GetString().ShouldBe("&");
        message.Codes().ShouldContain(Hl7WarningCode.FewEncodingCharacters);
        using var odd = Wire.Message("MSH#*+!@#A#B#C#D#2024##ADT*A01#1#P#2.3", "PID#1##7*8+9");
        odd["PID-3[1].2"].GetString().ShouldBe("8");
        odd["PID-3[2]"].GetString().ShouldBe("9");
    }

    [Theory]
    [InlineData(@"^~\\&")]
    [InlineData(@"^~\&amp;")]
    [InlineData("")]
    public void Encoding_characters_that_a_program_or_a_file_spoilt(string stated)
    {
        using var message = Wire.Message($"MSH|{stated}|A|B|C|D|2024||ADT^A01^ADT_A01|1|P|2.5.1", @"PID|1||7^a\T\b&c^A~8");
        message["PID-3.2.1"].GetString().ShouldBe("a&b");
        message["PID-3.2.2"].GetString().ShouldBe("c");
        message["PID-3[2]"].GetString().ShouldBe("8");
        message.Codes().ShouldBe([Hl7WarningCode.OddEncodingCharacters]);
    }

    [Fact]
    public void Indented_segments_and_a_header_in_small_letters()
    {
        using var message = Wire.Message(Wire.Header.Replace("MSH", "msh", StringComparison.Ordinal), "  PID|1||7", "\tPV1|1|I");
        message["MSH-10"].GetString().ShouldBe("42");
        message["PID-3"].GetString().ShouldBe("7");
        message["PV1-2"].GetString().ShouldBe("I");
        message.Codes().ShouldBe([Hl7WarningCode.SegmentIdNotCapital, Hl7WarningCode.LeadingBlanks, Hl7WarningCode.LeadingBlanks]);
    }

    [Fact]
    public void Control_characters_as_delimiters()
    {
        using var message = Wire.Message("MSH\u001D\u001E\u001F\u0001\u0002\u001DA\u001DB\u001DC\u001DD\u001D2024\u001D\u001DADT\u001EA01\u001EADT_A01\u001D1\u001DP\u001D2.5.1", "PID\u001D1\u001D\u001D7\u001EA\u001F8");
        message["PID-3[2]"].GetString().ShouldBe("8");
        message["PID-3.2"].GetString().ShouldBe("A");
        message.Warnings.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("utf-16BE", true)]
    [InlineData("utf-16BE", false)]
    [InlineData("utf-16", true)]
    [InlineData("utf-16", false)]
    [InlineData("utf-32", true)]
    [InlineData("utf-32", false)]
    [InlineData("utf-32BE", true)]
    [InlineData("utf-32BE", false)]
    public void Wide_characters_are_divided_into_messages_and_read(string name, bool mark)
    {
        var encoding = Encoding.GetEncoding(name);
        byte[] bytes = [.. mark ? encoding.GetPreamble() : [], .. encoding.GetBytes($"FHS|^~\\&\r{Wire.Header}\rPID|1||7||Łódź^X\r{Wire.Header}\rPID|1||8\r")];
        var ids = Hl7Batch.Divide(bytes).Where(part => part.Kind == Hl7PartKind.Message)
            .Select(part => Hl7Message.Parse(bytes.AsMemory(part.Start, part.Length))["PID-3"].GetString());
        ids.ShouldBe(["7", "8"]);
        Hl7Batch.Divide(bytes).Sum(part => part.Length).ShouldBe(bytes.Length);
    }

    [Fact]
    public void A_warning_says_where_as_the_standard_writes_it()
    {
        using var message = Wire.Message(Wire.Header, "NTE|1||fine", @"NTE|2||a~b^c:\d");
        message.Locate(message.Warnings.ShouldHaveSingleItem()).ToString().ShouldBe("NTE[2]-3[2].2");
    }

    [Fact]
    public void Message_type_without_structure()
    {
        using var message = Wire.Message(@"MSH|^~\&|A|B|C|D|2024||ADT^A01|1|P|2.5.1", "PID|1");
        message.Codes().ShouldBe([Hl7WarningCode.NoMessageStructure]);
    }

    [Theory]
    [InlineData("")]
    [InlineData("P")]
    public void Version_empty_or_shifted(string version)
    {
        using var message = Wire.Message($@"MSH|^~\&|A|B|C|D|2024||ADT^A01^ADT_A01|1|P|{version}", "PID|1");
        message.Codes().ShouldBe([Hl7WarningCode.NoVersion]);
    }

    [Fact]
    public void Version_with_more_components_is_a_version()
    {
        using var message = Wire.Message(@"MSH|^~\&|A|B|C|D|2024||ADT^A01^ADT_A01|1|P|2.5.1^USA&United States&ISO3166_1", "PID|1");
        message.Warnings.ShouldBeEmpty();
    }

    [Fact]
    public void Control_id_empty_or_long()
    {
        using var empty = Wire.Message(@"MSH|^~\&|A|B|C|D|2024||ADT^A01^ADT_A01||P|2.5.1", "PID|1");
        empty.Codes().ShouldBe([Hl7WarningCode.NoControlId]);
        using var large = Wire.Message($@"MSH|^~\&|A|B|C|D|2024||ADT^A01^ADT_A01|{new string('1', 36)}|P|2.5.1", "PID|1");
        large.Codes().ShouldBe([Hl7WarningCode.LongControlId]);
        using var later = Wire.Message($@"MSH|^~\&|A|B|C|D|2024||ADT^A01^ADT_A01|{new string('1', 36)}|P|2.7", "PID|1");
        later.Warnings.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("\n", Hl7WarningCode.LineFeedEndsSegment)]
    [InlineData("\r\n", Hl7WarningCode.CarriageReturnLineFeedEndsSegment)]
    public void Segments_that_end_in_LF(string end, Hl7WarningCode code)
    {
        using var message = Hl7Message.Parse(Encoding.Latin1.GetBytes($"{Wire.Header}{end}PID|1||7{end}PV1|1|I{end}"));
        message.SegmentCount.ShouldBe(3);
        message["PID-3"].GetString().ShouldBe("7");
        message.Codes().ShouldBe([code]);
    }

    [Fact]
    public void Line_ends_of_three_kinds_in_one_message()
    {
        using var message = Hl7Message.Parse(Encoding.Latin1.GetBytes($"{Wire.Header}\r\nPID|1||7\nPV1|1|I\rOBR|1\r\n"));
        message.SegmentCount.ShouldBe(4);
        (message["PID-3"].GetString(), message["PV1-2"].GetString(), message["OBR-1"].GetString()).ShouldBe(("7", "I", "1"));
    }

    [Fact]
    public void A_carriage_return_inside_a_field()
    {
        using var message = Wire.Message(Wire.Header, "OBX|1|ST|X||first\rsecond line||||||F", "NTE|1||n");
        message["OBX-5"].GetString().ShouldBe("first\rsecond line");
        message["OBX-11"].GetString().ShouldBe("F");
        message.Codes().ShouldContain(Hl7WarningCode.LineEndInsideField);
    }

    [Theory]
    [InlineData(@"\E\X0D0A\E\", @"\X0D0A\")]
    [InlineData(@"\E\T\E\", @"\T\")]
    public void Double_escaping_from_Epic_is_undone_once(string raw, string text)
    {
        using var message = Wire.Message(Wire.Header, "NTE|1||" + raw);
        message["NTE-3"].GetString().ShouldBe(text);
        message.Warnings.ShouldBeEmpty();
    }

    [Theory]
    [InlineData(@"a\X0D\\X0A\b")]
    [InlineData(@"a\X0D0A\b")]
    [InlineData(@"a\X000d\\X000a\b")]
    public void Hexadecimal_escapes_in_different_widths(string raw)
    {
        using var message = Wire.Message(Wire.Header, "NTE|1||" + raw);
        message["NTE-3"].GetString().ShouldBe("a\r\nb");
    }

    [Fact]
    public void Formatting_escapes_are_text_when_read_and_stay_in_the_source()
    {
        using var message = Wire.Message(Wire.Header, @"NTE|1||a\.br\\.br\b\.sp2\c\.in+4\d\H\e\N\f");
        message["NTE-3"].GetString().ShouldBe("a\n\nb\n\ncdef");
        Wire.Text(message["NTE-3"].Raw).ShouldBe(@"a\.br\\.br\b\.sp2\c\.in+4\d\H\e\N\f");
        message.Warnings.ShouldBeEmpty();
    }

    [Theory]
    [InlineData(@"C:\temp")]
    [InlineData(@"BSV 4\5 re.")]
    [InlineData(@"abc\")]
    public void Stray_backslashes_are_kept(string raw)
    {
        using var message = Wire.Message(Wire.Header, "NTE|1||" + raw);
        message["NTE-3"].GetString().ShouldBe(raw);
        message.Codes().ShouldBe([Hl7WarningCode.StrayEscape]);
    }

    [Fact]
    public void A_line_end_inside_a_field()
    {
        using var message = Hl7Message.Parse(Encoding.Latin1.GetBytes(Wire.Header + "\rOBX|79|ST|X||Three polyps up to 6 \nmm in the colon||||||F\rNTE|1||n\r"));
        message.SegmentCount.ShouldBe(3);
        message["OBX-5"].GetString().ShouldBe("Three polyps up to 6 \nmm in the colon");
        message["OBX-11"].GetString().ShouldBe("F");
        message.Codes().ShouldContain(Hl7WarningCode.LineEndInsideField);
    }

    [Fact]
    public void Framing_blanks_and_a_byte_order_mark_around_the_message()
    {
        byte[] bytes = [0xEF, 0xBB, 0xBF, 0x0B, .. Wire.Bytes(Wire.Header, "PID|1"), 0x1C, 0x0D, 0, 0];
        using var message = Hl7Message.Parse(bytes);
        message.Bytes.ToArray().ShouldBe(Wire.Bytes(Wire.Header, "PID|1"));
        message.Codes().ShouldBe([Hl7WarningCode.BytesBeforeHeader, Hl7WarningCode.BytesAfterMessage], ignoreOrder: true);
    }

    [Fact]
    public void Two_messages_in_one_frame()
    {
        var bytes = Encoding.Latin1.GetBytes(Wire.Header + "\rPID|1\r\u000B" + Wire.Header.Replace("|42|", "|43|", StringComparison.Ordinal) + "\rPID|2\r");
        new Hl7Message().Read(bytes).Fault.ShouldBe(Hl7Fault.SecondHeader);
        var ids = Hl7Batch.Divide(bytes).Where(part => part.Kind == Hl7PartKind.Message)
            .Select(part => Hl7Message.Parse(bytes.AsMemory(part.Start, part.Length))["MSH-10"].GetString());
        ids.ShouldBe(["42", "43"]);
    }

    [Fact]
    public void A_batch_with_a_wrong_count()
    {
        var bytes = Wire.Bytes(@"FHS|^~\&|A", @"BHS|^~\&|A", Wire.Header, "PID|1", Wire.Header, "PID|2", "BTS|3", "FTS|1");
        Hl7Batch.Divide(bytes).Select(part => part.Kind).ShouldBe(
            [Hl7PartKind.Header, Hl7PartKind.Header, Hl7PartKind.Message, Hl7PartKind.Message, Hl7PartKind.Trailer, Hl7PartKind.Trailer]);
        var warning = Hl7Batch.CheckCounts(bytes, Hl7Batch.Divide(bytes)).ShouldHaveSingleItem();
        Wire.Text(bytes.AsSpan(warning.Offset, 5)).ShouldBe("BTS|3");
    }

    [Fact]
    public void Raw_delimiters_and_markup_in_a_text()
    {
        using var message = Wire.Message(Wire.Header, @"OBX|1|FT|HTML^^AUSPDI||<A HREF=""http://x?a=1&b=2"">");
        message["OBX-5"].GetString().ShouldBe(@"<A HREF=""http://x?a=1&b=2"">");
        message.Warnings.ShouldBeEmpty();
    }

    [Fact]
    public void A_result_without_a_value_type()
    {
        using var message = Wire.Message(Wire.Header, "OBX|1||718-7^Hgb^LN||13.2|");
        message.Codes().ShouldBe([Hl7WarningCode.NoValueType]);
    }

    [Fact]
    public void A_document_of_megabytes_on_one_line()
    {
        var document = new string('Q', 3_000_000);
        using var message = Wire.Message(Wire.Header, "OBX|1|ED|PDF||^application^pdf^Base64^" + document);
        message["OBX-5.5"].Raw.Length.ShouldBe(document.Length);
    }

    [Theory]
    [InlineData("", new byte[] { (byte)'M', 0xFC }, "Mü", Hl7WarningCode.CharacterSetMismatch)]
    [InlineData("ASCII", new byte[] { (byte)'M', 0xC3, 0xBC }, "Mü", Hl7WarningCode.CharacterSetMismatch)]
    [InlineData("UNICODE UTF-8", new byte[] { (byte)'M', 0xFC }, "Mü", Hl7WarningCode.CharacterSetMismatch)]
    [InlineData("KLINGON", new byte[] { (byte)'M', 0xC3, 0xBC }, "Mü", Hl7WarningCode.UnknownCharacterSet)]
    public void Character_sets_that_are_not_what_MSH_18_says(string named, byte[] name, string text, Hl7WarningCode code)
    {
        byte[] bytes = [.. Encoding.Latin1.GetBytes($"{Wire.Header}||||||{named}\rPID|1||7||"), .. name, (byte)'\r'];
        using var message = Hl7Message.Parse(bytes);
        message["PID-5"].GetString().ShouldBe(text);
        message.Codes().ShouldBe([code]);
    }

    [Fact]
    public void Text_that_looks_like_a_header_in_the_other_byte_order_does_not_turn_UTF_16_around()
    {
        var bytes = System.Text.Encoding.Unicode.GetBytes("MSH|^~\\&|A|B|C|D|2024||ADT^A01|1|P|2.5\rPID|1||\u4D00\u5300\u4800\r");

        using var message = Hl7Message.Parse(bytes);

        message["MSH-10"].GetString().ShouldBe("1");
        message["PID-3"].GetString().ShouldBe("\u4D00\u5300\u4800");
    }

    [Theory]
    [InlineData("8859/1", 28591)]
    [InlineData("8859/2", 28592)]
    [InlineData("8859/15", 28605)]
    [InlineData("UNICODE UTF-8", 65001)]
    [InlineData("GB 18030-2000", 54936)]
    [InlineData("BIG-5", 950)]
    [InlineData("KS X 1001", 51949)]
    [InlineData("JAS2020", 932)]
    [InlineData("~ISO IR87", 50220)]
    [InlineData("UNICODE UTF-16", 1201)]
    public void Every_character_set_of_table_0211_is_read(string named, int codePage)
    {
        var text = codePage switch { 28592 => "Łódź", 54936 or 950 => "功能測試", 51949 => "김철수", 932 or 50220 => "山田ソ能", _ => "Müller" };
        var encoding = CodePagesEncodingProvider.Instance.GetEncoding(codePage) ?? Encoding.GetEncoding(codePage);
        var bytes = encoding.GetBytes($"{Wire.Header}||||||{named}\rPID|1||7||{text}^X\rPV1|1|I\r");
        using var message = Hl7Message.Parse(bytes);
        message["PID-5.1"].GetString().ShouldBe(text);
        message["PV1-2"].GetString().ShouldBe("I");
        message.SegmentCount.ShouldBe(3);
        message.Bytes.ToArray().ShouldBe(bytes);
    }

    [Fact]
    public void Null_is_not_empty()
    {
        using var message = Wire.Message(Wire.Header, "PID|1||123||Doe^\"\"^J||\"\"|");
        (message["PID-7"].IsNull, message["PID-7"].IsEmpty, message["PID-7"].HasValue).ShouldBe((true, false, false));
        (message["PID-8"].IsNull, message["PID-8"].IsEmpty).ShouldBe((false, true));
        message["PID-5.2"].IsNull.ShouldBeTrue();
    }

    [Fact]
    public void Segments_unexpected_repeated_and_in_small_letters()
    {
        using var message = Wire.Message(Wire.Header, "NTE|1||first", "pid|1||7", "ZPI|x", "PID|2||8", "Z00|a");
        message["PID[2]-3"].GetString().ShouldBe("8");
        message["PID-3"].GetString().ShouldBe("7");
        message["Z00-1"].GetString().ShouldBe("a");
        message.Codes().ShouldBe([Hl7WarningCode.SegmentIdNotCapital]);
    }

    [Fact]
    public void Trailing_separators_by_the_hundred_and_an_empty_repetition()
    {
        using var message = Wire.Message(Wire.Header, "PID|1||123^^^A^MR~||DOE" + new string('|', 500));
        message["PID-3"].RepetitionCount.ShouldBe(2);
        message["PID-3[2]"].IsEmpty.ShouldBeTrue();
        message["PID-505"].IsEmpty.ShouldBeTrue();
        message.Warnings.ShouldBeEmpty();
    }

    [Fact]
    public void Enhanced_mode_that_wants_no_answer()
    {
        using var message = Wire.Message(Wire.Header + "|||NE|NE", "PID|1");
        Acknowledgement.IsWanted(message, Acceptance.Accepted).ShouldBeFalse();
    }

    [Fact]
    public void Header_text_of_a_file_before_the_message()
    {
        using var message = Hl7Message.Parse(Encoding.Latin1.GetBytes("Export of 2024-01-31\r\n" + Wire.Header + "\rPID|1\r"));
        message["MSH-10"].GetString().ShouldBe("42");
        message.Codes().ShouldContain(Hl7WarningCode.BytesBeforeHeader);
    }

    [Theory]
    [InlineData("", Hl7Fault.Empty)]
    [InlineData(" \r\n\0", Hl7Fault.Empty)]
    [InlineData("GET / HTTP/1.1\r\n", Hl7Fault.NoHeader)]
    [InlineData("<MSH/>", Hl7Fault.NoHeader)]
    [InlineData("MSH", Hl7Fault.NoHeader)]
    [InlineData("MSH|", Hl7Fault.BadDelimiters)]
    [InlineData("MSH|^^~&|A", Hl7Fault.BadDelimiters)]
    [InlineData("MSH|ABC|A", Hl7Fault.BadDelimiters)]
    [InlineData("MSH^^^^", Hl7Fault.BadDelimiters)]
    public void What_is_no_message_is_refused(string text, Hl7Fault fault) => new Hl7Message().Read(Encoding.Latin1.GetBytes(text)).Fault.ShouldBe(fault);

    [Fact]
    public void A_header_named_in_a_text_is_none()
    {
        var bytes = Encoding.Latin1.GetBytes($"MSH-7 is local time, see MSH-12.\r{Wire.Header}\rNTE|1||so:\rMSH-7 is empty\rPID|1\r");
        var part = Hl7Batch.Divide(bytes).Single(part => part.Kind == Hl7PartKind.Message);
        using var message = Hl7Message.Parse(bytes.AsMemory(part.Start, part.Length));
        message["NTE-3"].GetString().ShouldBe("so:\rMSH-7 is empty");
        using var whole = Hl7Message.Parse(bytes);
        (whole["MSH-10"].GetString(), whole.SegmentCount).ShouldBe(("42", 3));
    }

    [Fact]
    public void A_million_repetitions_cost_no_more_than_their_bytes()
    {
        var bytes = Wire.Bytes(Wire.Header, "PID|1||" + new string('~', 1_000_000), "PV1|1|I");
        using var message = new Hl7Message();
        message.Read(bytes).Ok.ShouldBeTrue();
        message["PID-3"].RepetitionCount.ShouldBe(1_000_001);
        message["PV1-2"].GetString().ShouldBe("I");
    }

    [Fact]
    public void A_hundred_thousand_lines_in_one_field_are_one_field()
    {
        var text = string.Join('\n', Enumerable.Repeat("and so on", 100_000));
        using var message = Wire.Message(Wire.Header, "OBX|1|TX|x||" + text + "||||||F");
        message["OBX-5"].Raw.Length.ShouldBe(text.Length);
        message["OBX-11"].GetString().ShouldBe("F");
        message.Warnings.Count.ShouldBeLessThanOrEqualTo(1_001);
    }

    [Fact]
    public void Bounds_are_kept()
    {
        Read(new Hl7ReadOptions { BytesMax = 50 }, Wire.Bytes(Wire.Header)).ShouldBe(Hl7Fault.TooLarge);
        Read(new Hl7ReadOptions { SegmentsMax = 2 }, Wire.Bytes(Wire.Header, "PID|1", "PV1|1")).ShouldBe(Hl7Fault.TooManySegments);
        Read(new Hl7ReadOptions { FieldsMax = 20 }, Wire.Bytes(Wire.Header, "PID" + new string('|', 21))).ShouldBe(Hl7Fault.TooManyFields);
        Read(Hl7ReadOptions.Strict, Wire.Bytes(Wire.Header, "pid|1")).ShouldBe(Hl7Fault.NotStrict);
        Read(Hl7ReadOptions.Strict, Wire.Bytes(Wire.Header, "PID|1")).ShouldBe(Hl7Fault.None);
    }

    private static Hl7Fault Read(Hl7ReadOptions options, byte[] bytes) => new Hl7Message(options).Read(bytes).Fault;
}
