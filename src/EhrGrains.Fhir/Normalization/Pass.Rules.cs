using System.Globalization;
using System.Text;
using System.Text.Json;

namespace EhrGrains.Fhir.Normalization;

/// <summary>What the rules do at the tokens that they concern.</summary>
internal ref partial struct Pass
{
    // As JSON may write them: < and / as they are or escaped.
    private static readonly byte[][] Tags =
    [
        [.. "</"u8], [.. "<br"u8], [.. "<\\/"u8], [.. "\\u003C/"u8], [.. "\\u003c/"u8], [.. "\\u003C\\/"u8], [.. "\\u003c\\/"u8],
        [.. "\\u003Cbr"u8], [.. "\\u003cbr"u8],
    ];

    /// <summary><c>2020-01-01T10:00:00</c>: the shortest time that FHIR allows, were it not for the missing offset.</summary>
    private const int LocalTimeLength = 19;

    private void OnId()
    {
        var original = Text();
        if (original.IsEmpty)
        {
            // Not an id at all (FHIR forbids empty strings): the resource counts as one without.
            return;
        }

        var start = work.Ids.Length;
        if (ResourceIds.PassesUnchanged(original))
        {
            work.Ids.Append(original);
        }
        else
        {
            AppendLegalId(work.Ids, original);
            ReplaceText(work.Ids.Written[start..]);
        }

        id = start..work.Ids.Length;
        if (source[typeName].SequenceEqual("Patient"u8))
        {
            NotePatient(work.Ids.Written[start..]);
        }
    }

    private void OnReference(Member member)
    {
        var value = Text();
        if (value.IsEmpty || value[0] == (byte)'#')
        {
            return;
        }

        var baseLength = scope.BaseLength(value);
        var relative = value[baseLength..];
        var slash = relative.IndexOf((byte)'/');
        if (slash <= 0 || slash == relative.Length - 1 || !IsTypeName(relative[..slash]))
        {
            return;
        }

        var target = relative[..slash];
        if (member == Member.Url && !target.SequenceEqual("Binary"u8))
        {
            // An attachment's url is a reference only to a Binary; other urls name definitions and places elsewhere.
            return;
        }

        var rest = relative[(slash + 1)..];
        var history = rest.IndexOf("/_history/"u8);
        var tail = history < 0 ? [] : rest[history..];
        var targetId = history < 0 ? rest : rest[..history];
        if (!tail.IsEmpty && !ResourceIds.PassesUnchanged(tail["/_history/"u8.Length..]))
        {
            return;
        }

        RewriteReference(target, targetId, tail, baseLength > 0);
    }

    private void RewriteReference(ReadOnlySpan<byte> target, ReadOnlySpan<byte> targetId, ReadOnlySpan<byte> tail, bool isAbsolute)
    {
        var isPatient = target.SequenceEqual("Patient"u8);
        var passes = ResourceIds.PassesUnchanged(targetId);
        if (passes && !isAbsolute)
        {
            if (isPatient)
            {
                NotePatient(targetId);
            }

            return;
        }

        work.Text.Truncate(0);
        work.Text.Append(target);
        work.Text.Append("/"u8);
        var start = work.Text.Length;
        if (passes)
        {
            work.Text.Append(targetId);
        }
        else
        {
            AppendLegalId(work.Text, targetId);
        }

        if (isPatient)
        {
            NotePatient(work.Text.Written[start..]);
        }

        work.Text.Append(tail);
        ReplaceText(work.Text.Written);
        if (isAbsolute)
        {
            work.Count(Rule.RelativeReferences);
        }
    }

    private readonly void AppendLegalId(ByteBuffer buffer, ReadOnlySpan<byte> original)
    {
        var text = Encoding.UTF8.GetString(original);
        var legal = ResourceIds.ToLegal(text, out var needsAlias);
        if (needsAlias)
        {
            work.Aliases.Add(new IdAlias(legal, text));
        }

        work.Count(Rule.LegalIds);
        Span<byte> bytes = stackalloc byte[ResourceIds.LengthMax];
        buffer.Append(bytes[..Encoding.ASCII.GetBytes(legal, bytes)]);
    }

    private void NotePatient(ReadOnlySpan<byte> legalId)
    {
        Span<char> chars = stackalloc char[ResourceIds.LengthMax];
        var length = Encoding.ASCII.GetChars(legalId, chars);
        if (Top.Kind == Kind.Subject && patients is not null && !patients.GetAlternateLookup<ReadOnlySpan<char>>().Contains(chars[..length]))
        {
            foreign = true;
            return;
        }

        var noted = work.Patients.GetAlternateLookup<ReadOnlySpan<char>>();
        if (noted.Add(chars[..length]) && work.Patients.Count > Normalizer.PatientsMax)
        {
            throw Error(FhirFormatReason.TooManyPatients);
        }
    }

    private void OnSystem(Member member)
    {
        var system = Text();
        if (member == Member.TagSystem)
        {
            if (tagsOfOthers && system.SequenceEqual(ScopeRules.TenantSystem))
            {
                Replace(QuotedUpstreamTenantSystem);
            }

            return;
        }

        if (rules.Applies(Rule.CodeSystems) && rules.CodeSystem(system) is { } canonical)
        {
            work.Count(Rule.CodeSystems);
            Replace(canonical);
        }
    }

    private void OnIdentifierValue()
    {
        var value = reader.ValueSpan;
        var trimmed = value.Trim((byte)' ');
        if (trimmed.Length == value.Length || trimmed.IsEmpty || !rules.Applies(Rule.IdentifierValues))
        {
            return;
        }

        work.Count(Rule.IdentifierValues);
        Insert((int)reader.TokenStartIndex, "\""u8);
        work.Output.Append(trimmed);
        work.Output.Append("\""u8);
        copied = (int)reader.BytesConsumed;
    }

    private void CloseIdentifierType()
    {
        if (!rules.Applies(Rule.IdentifierTypes) || Top.Seen.HasFlag(Seen.Coding))
        {
            return;
        }

        if (rules.IdentifierType(source[typeName], source[identifierText].Trim((byte)' ')) is { } coding)
        {
            work.Count(Rule.IdentifierTypes);
            AddMember("\"coding\":["u8);
            work.Output.Append(coding);
            work.Output.Append("]"u8);
        }
    }

    /// <summary>Puts the mapped Coding around the proprietary one that the reader stands on, which becomes its extension.</summary>
    private bool MapClass()
    {
        if (type?.Name != "Encounter" || !rules.Applies(Rule.EncounterClass))
        {
            return false;
        }

        var ahead = reader;
        ReadOnlySpan<byte> system = [];
        ReadOnlySpan<byte> code = [];
        while (ahead.Read() && ahead.TokenType == JsonTokenType.PropertyName)
        {
            var isSystem = ahead.ValueTextEquals("system"u8);
            var isCode = ahead.ValueTextEquals("code"u8);
            if (!ahead.Read())
            {
                break;
            }

            if (ahead.TokenType == JsonTokenType.String)
            {
                system = isSystem ? TextOf(ahead) : system;
                code = isCode ? TextOf(ahead) : code;
            }
            else if (!ahead.TrySkip())
            {
                break;
            }
        }

        if (rules.EncounterClass(system, code) is not { } mapped)
        {
            return false;
        }

        work.Count(Rule.EncounterClass);
        Insert((int)reader.TokenStartIndex, mapped);
        return true;
    }

    /// <summary>Gives a time without an offset the hospital's: FHIR R4 requires one (datatypes.html#dateTime).</summary>
    private void OnText()
    {
        // The shape first: nearly every text fails it at once.
        if (rules.ZonesTimes && TryGetLocalTime(reader.ValueSpan, out var local) && Members.IsTime(elementName))
        {
            AddOffset(local);
        }
        else if (rules.MarksTexts && Members.IsProse(elementName) && !Top.IsArray)
        {
            LookForMarkup();
        }
    }

    /// <summary>Notes a text that is RTF, or HTML: its tags would be read as part of the text.</summary>
    private void LookForMarkup()
    {
        var text = reader.ValueSpan;
        var isRtf = text.StartsWith("{\\\\rtf"u8);
        var start = isRtf || HoldsTag(text) ? source[..(int)reader.TokenStartIndex].LastIndexOf(elementName) : -1;
        if (start >= 0)
        {
            Top.MarkedUp = start..(start + elementName.Length);
            Top.IsRtf = isRtf;
        }
    }

    // The end of an element, or a line break: "p < 0.05" is neither.
    private static bool HoldsTag(ReadOnlySpan<byte> text)
    {
        if (text.IndexOfAny((byte)'<', (byte)'\\') < 0)
        {
            return false;
        }

        foreach (var tag in Tags)
        {
            if (text.IndexOf(tag) >= 0)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>
    /// Keeps a marked-up text as it is and says beside it what it is: an extension on the element, unless the EHR says something there
    /// itself.
    /// </summary>
    private void SayMarkedUp()
    {
        var name = source[Top.MarkedUp];
        Span<byte> sibling = stackalloc byte[32];
        sibling[0] = (byte)'_';
        name.CopyTo(sibling[1..]);
        sibling = sibling[..(name.Length + 1)];
        if (work.Names.AsSpan(Top.Names, work.NameCount - Top.Names).Contains(Fingerprint.Of(sibling)))
        {
            return;
        }

        work.Count(Rule.MarkedUpTexts);
        AddMember("\""u8);
        work.Output.Append(sibling);
        work.Output.Append("\":{\"extension\":[{\"url\":\"https://ehrgrains.dev/fhir/StructureDefinition/text-format\",\"valueCode\":\""u8);
        work.Output.Append(Top.IsRtf ? "application/rtf"u8 : "text/html"u8);
        work.Output.Append("\"}]}"u8);
    }

    /// <summary>An identifier whose value the EHR withholds (a masked SSN): it stays as it is, told by what is rendered of it.</summary>
    private readonly void CountMasked()
    {
        if ((Top.Seen & (Seen.Value | Seen.MaskedValue)) == Seen.MaskedValue && rules.Applies(Rule.MaskedIdentifiers))
        {
            work.Count(Rule.MaskedIdentifiers);
        }
    }

    /// <summary>A patient that was merged into another is no longer in use (R4 valueset-link-type.html#replaced-by), also where the EHR does not say so.</summary>
    private void CloseReplaced()
    {
        work.Count(Rule.MergedPatients);
        if (!Top.Seen.HasFlag(Seen.Active))
        {
            AddMember("\"active\":false"u8);
        }
    }

    private void AddOffset(DateTime local)
    {

        var offset = scope.Zone.GetUtcOffset(local);
        Span<byte> suffix = stackalloc byte[6];
        suffix[0] = offset < TimeSpan.Zero ? (byte)'-' : (byte)'+';
        offset.Duration().TryFormat(suffix[1..], out _, "hh\\:mm", CultureInfo.InvariantCulture);
        work.Count(Rule.ZonedTimes);
        Insert((int)reader.BytesConsumed - 1, suffix);
    }

    private void OnLastUpdated()
    {
        if (!TryGetLocalTime(reader.ValueSpan, out var local))
        {
            lastUpdated = reader.TryGetDateTimeOffset(out var at) ? at : null;
            return;
        }

        lastUpdated = new DateTimeOffset(local, scope.Zone.GetUtcOffset(local));
        if (rules.ZonesTimes)
        {
            AddOffset(local);
        }
    }

    /// <summary>
    /// Reads a time that has no offset. In the hour that a change of clocks repeats or skips, the zone's answer is standard
    /// time: the same for every reader.
    /// </summary>
    private static bool TryGetLocalTime(ReadOnlySpan<byte> value, out DateTime local)
    {
        local = default;
        if (value.Length < LocalTimeLength || value[10] != (byte)'T')
        {
            return false;
        }

        var fraction = value[LocalTimeLength..];
        if (!fraction.IsEmpty
            && (fraction[0] != (byte)'.' || fraction.Length == 1 || fraction[1..].ContainsAnyExceptInRange((byte)'0', (byte)'9')))
        {
            return false;
        }

        Span<char> chars = stackalloc char[LocalTimeLength];
        Encoding.ASCII.GetChars(value[..LocalTimeLength], chars);
        return DateTime.TryParseExact(chars, "yyyy-MM-ddTHH:mm:ss", CultureInfo.InvariantCulture, DateTimeStyles.None, out local);
    }

    /// <summary>Replaces the string that the reader stands on by a text.</summary>
    private void ReplaceText(ReadOnlySpan<byte> text)
    {
        Insert((int)reader.TokenStartIndex, "\""u8);
        work.Output.Append(text);
        work.Output.Append("\""u8);
        copied = (int)reader.BytesConsumed;
    }
}
