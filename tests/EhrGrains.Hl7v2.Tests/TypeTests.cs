using CsCheck;
using EhrGrains.Hl7v2.Types;

namespace EhrGrains.Hl7v2.Tests;

public sealed class TypeTests
{
    [Theory]
    [InlineData("2023", "2023", Hl7TimePrecision.Year)]
    [InlineData("202301", "2023-01", Hl7TimePrecision.Month)]
    [InlineData("20230131", "2023-01-31", Hl7TimePrecision.Day)]
    [InlineData("2023013112", "2023-01-31T12", Hl7TimePrecision.Hour)]
    [InlineData("202301311230", "2023-01-31T12:30", Hl7TimePrecision.Minute)]
    [InlineData("20230131123045", "2023-01-31T12:30:45", Hl7TimePrecision.Second)]
    [InlineData("20230131123045.1234-0500", "2023-01-31T12:30:45.1234-05:00", Hl7TimePrecision.Fraction)]
    [InlineData("20230131123045.123456789", "2023-01-31T12:30:45.1234567", Hl7TimePrecision.Fraction)]
    [InlineData("20230131-0500", "2023-01-31-05:00", Hl7TimePrecision.Day)]
    [InlineData("2023-0500", "2023-05:00", Hl7TimePrecision.Year)]
    [InlineData("20240131T120000Z", "2024-01-31T12:00:00Z", Hl7TimePrecision.Second)]
    [InlineData("2024-01-31T12:00:00+05:30", "2024-01-31T12:00:00+05:30", Hl7TimePrecision.Second)]
    [InlineData("202401311200+0000", "2024-01-31T12:00Z", Hl7TimePrecision.Minute)]
    [InlineData("20240229^D", "2024-02-29", Hl7TimePrecision.Day)]
    [InlineData("20240229000000^D", "2024-02-29", Hl7TimePrecision.Day)]
    [InlineData("20240229000000^L", "2024-02", Hl7TimePrecision.Month)]
    public void A_time_is_as_precise_as_it_was_stated(string stated, string iso, Hl7TimePrecision precision)
    {
        using var message = Wire.Message(Wire.Header, $"PID|1||||||{stated}");
        Hl7Time.TryRead(message["PID-7"], out var time).ShouldBeTrue();
        (time.ToString(), time.Precision).ShouldBe((iso, precision));
    }

    [Theory]
    [InlineData("")]
    [InlineData("\"\"")]
    [InlineData("00000000")]
    [InlineData("20230230")]
    [InlineData("20231301")]
    [InlineData("2023013125")]
    [InlineData("202301311260")]
    [InlineData("202")]
    [InlineData("20230")]
    [InlineData("unknown")]
    [InlineData("20230131+9900")]
    [InlineData("20230131120000.")]
    [InlineData("99991231235959.99999999x")]
    public void What_is_no_time_is_none(string stated)
    {
        using var message = Wire.Message(Wire.Header, $"PID|1||||||{stated}");
        Hl7Time.TryRead(message["PID-7"], out _).ShouldBeFalse();
    }

    [Fact]
    public void Any_time_is_read_as_it_was_written() =>
        Gen.Select(Gen.DateTime[new DateTime(1, 1, 1), new DateTime(9999, 12, 31)], Gen.Int[-14 * 60, 14 * 60]).Sample((local, minutes) =>
        {
            var offset = TimeSpan.FromMinutes(minutes);
            var sign = minutes < 0 ? '-' : '+';
            var text = $"{local:yyyyMMddHHmmss.fffffff}{sign}{offset:hhmm}";
            Hl7Time.TryRead(System.Text.Encoding.ASCII.GetBytes(text), out var time).ShouldBeTrue(text);
            (time.Local, time.Offset).ShouldBe((new DateTime(local.Ticks), offset));
        });

    [Fact]
    public void An_instant_takes_the_senders_zone_only_where_no_offset_was_stated()
    {
        var chicago = TimeZoneInfo.FindSystemTimeZoneById("America/Chicago");
        Instant("202401311200").ShouldBe(new DateTimeOffset(2024, 1, 31, 12, 0, 0, TimeSpan.FromHours(-6)));
        Instant("202401311200+0100").ShouldBe(new DateTimeOffset(2024, 1, 31, 12, 0, 0, TimeSpan.FromHours(1)));
        Instant("202411030130").ShouldBe(new DateTimeOffset(2024, 11, 3, 1, 30, 0, TimeSpan.FromHours(-5)), "the first of two");
        Instant("20240131").ShouldBeNull("a date is no instant");

        DateTimeOffset? Instant(string text) =>
            Hl7Time.TryRead(System.Text.Encoding.ASCII.GetBytes(text), out var time) ? time.ToInstant(chicago) : throw new FormatException();
    }

    [Theory]
    [InlineData("08", "08:00:00", Hl7TimePrecision.Hour)]
    [InlineData("0830", "08:30:00", Hl7TimePrecision.Minute)]
    [InlineData("083015.25-0600", "08:30:15.2500000", Hl7TimePrecision.Fraction)]
    [InlineData("08:30", "08:30:00", Hl7TimePrecision.Minute)]
    public void A_time_of_day(string stated, string time, Hl7TimePrecision precision)
    {
        using var message = Wire.Message(Wire.Header, $"OBX|1|TM|||{stated}");
        Hl7TimeOfDay.TryRead(message["OBX-5"], out var read).ShouldBeTrue();
        (read.Time, read.Precision).ShouldBe((TimeOnly.Parse(time), precision));
    }

    [Theory]
    [InlineData("13.20", "13.20")]
    [InlineData("-0.5", "-0.5")]
    [InlineData("+7", "7")]
    [InlineData(" 7 ", "7")]
    [InlineData(".5", "0.5")]
    [InlineData("<0.1", null)]
    [InlineData("pending", null)]
    [InlineData("1e5", null)]
    [InlineData("1,5", null)]
    [InlineData("", null)]
    [InlineData("99999999999999999999999999999999999999999999", null)]
    public void A_number_keeps_its_scale(string stated, string? number)
    {
        using var message = Wire.Message(Wire.Header, $"OBX|1|NM|||{stated}");
        message["OBX-5"].TryReadNumber(out var read).ShouldBe(number is not null);
        (number is null ? null : read.ToString(System.Globalization.CultureInfo.InvariantCulture)).ShouldBe(number);
    }

    [Theory]
    [InlineData(">^100", true, ">", 100)]
    [InlineData("^7", true, "", 7)]
    [InlineData("<0.5", true, "<", 0.5)]
    [InlineData(">=12", true, ">=", 12)]
    [InlineData("^1^:^128", false, "", 0)]
    [InlineData("^2^-^3", false, "", 0)]
    [InlineData("many", false, "", 0)]
    public void A_structured_number(string stated, bool isComparison, string comparator, double number)
    {
        using var message = Wire.Message(Wire.Header, $"OBX|1|SN|||{stated}");
        var value = new Sn(message["OBX-5"]);
        value.TryReadComparison(out var read, out var amount).ShouldBe(isComparison);
        if (isComparison)
        {
            (read, amount).ShouldBe((comparator, (decimal)number));
        }
    }

    [Fact]
    public void Identifiers_names_and_addresses_have_their_parts_at_both_levels()
    {
        using var message = Wire.Message(
            Wire.Header,
            "PID|1||7^3^M10^HOSP&1.2.3&ISO^MR^LAB||van Doe&van&Doe^John^Q^JR^DR^MD^L||19700101|M|||1 Main St&Main St&1^Apt 2^Springfield^IL^62701^USA^H");
        var id = new Cx(message["PID-3[1]"]);
        (id.Id.GetString(), id.CheckDigit.GetString(), id.IdentifierType.GetString()).ShouldBe(("7", "3", "MR"));
        (id.AssigningAuthority.NamespaceId.GetString(), id.AssigningAuthority.UniversalId.GetString(), id.AssigningFacility.NamespaceId.GetString())
            .ShouldBe(("HOSP", "1.2.3", "LAB"));
        var name = new Xpn(message["PID-5[1]"]);
        (name.FamilyName.Surname.GetString(), name.FamilyName.OwnPrefix.GetString(), name.GivenName.GetString(), name.NameType.GetString())
            .ShouldBe(("van Doe", "van", "John", "L"));
        var address = new Xad(message["PID-11[1]"]);
        (address.Street.StreetAddress.GetString(), address.City.GetString(), address.AddressType.GetString()).ShouldBe(("1 Main St", "Springfield", "H"));
        new Hd(message["MSH-3"]).NamespaceId.GetString().ShouldBe("LAB");
    }

    [Theory]
    [InlineData("(415)555-1212X123", "(415)555-1212X123", null)]
    [InlineData("^PRN^PH^^1^415^5551212^123", "+1 415 5551212 x123", null)]
    [InlineData("^PRN^PH^^^^^^^^^+14155551212", "+14155551212", null)]
    [InlineData("^NET^Internet^a@example.org", null, "a@example.org")]
    [InlineData("a@example.org^NET", null, "a@example.org")]
    [InlineData("", null, null)]
    [InlineData("\"\"", null, null)]
    public void A_telephone_number_in_the_forms_of_all_versions(string stated, string? number, string? email)
    {
        using var message = Wire.Message(Wire.Header, $"PID|1||||||||||||{stated}");
        var telecom = new Xtn(message["PID-13[1]"]);
        (telecom.GetNumber(), telecom.GetEmail()).ShouldBe((number, email));
    }

    [Theory]
    [InlineData("^application^pdf^Base64^SGVsbG8=", "Hello")]
    [InlineData(@"^application^pdf^BASE64^SGVs\X0D0A\bG8=", "Hello")]
    [InlineData(@"^application^pdf^Base64^SGVs\.br\bG8=", "Hello")]
    [InlineData("^application^pdf^Base64^data:application/pdf;base64,SGVsbG8=", "Hello")]
    [InlineData("^text^plain^Hex^48656C6C6F", "Hello")]
    [InlineData(@"^text^plain^A^a\T\b", "a&b")]
    [InlineData("^application^pdf^Base64^no!", null)]
    [InlineData("^application^pdf^Base64^", null)]
    [InlineData("^text^plain^Hex^4865F", null)]
    public void A_document_is_decoded_as_its_sender_wrote_it(string stated, string? text)
    {
        using var message = Wire.Message(Wire.Header, $"OBX|1|ED|||{stated}");
        new Ed(message["OBX-5[1]"]).TryDecode(out var document).ShouldBe(text is not null);
        (document is null ? null : System.Text.Encoding.UTF8.GetString(document)).ShouldBe(text);
    }

    [Fact]
    public void Codes_places_and_timing()
    {
        using var message = Wire.Message(
            Wire.Header, "PV1|1|I|ICU^12^3^HOSP&9.9&ISO^^N^B1^4", "ORC|NW||||||1&tab^Q6H&0800,1400^X10^20240101^20240110^R", "OBX|1|CWE|||A^Alpha^L^B^Beta^LN^1^2^alpha!");
        var place = new Pl(message["PV1-3"]);
        (place.PointOfCare.NamespaceId.GetString(), place.Bed.NamespaceId.GetString(), place.Facility.UniversalId.GetString()).ShouldBe(("ICU", "3", "9.9"));
        var timing = new Tq(message["ORC-7[1]"]);
        (timing.Quantity.Unit.GetString(), timing.Interval.Pattern.GetString(), timing.Duration.GetString()).ShouldBe(("tab", "Q6H", "X10"));
        var code = new Cwe(message["OBX-5[1]"]);
        (code.Id.GetString(), code.AlternateCodingSystem.GetString(), code.OriginalText.GetString()).ShouldBe(("A", "LN", "alpha!"));
    }
}
