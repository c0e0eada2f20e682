using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using EhrGrains.Fhir.Outcomes;

namespace EhrGrains.Fhir.Normalization;

/// <summary>The walk through a searchset page.</summary>
internal ref partial struct Pass
{
    internal PageResult ReadPage(PageRequest request)
    {
        patients = request.Patients;
        string? next = null;
        int? total = null;
        var isBundle = false;
        var isSearchset = false;
        ReadRoot();
        Push(Kind.Plain);
        while (ReadMember(out var name))
        {
            switch (name)
            {
                case var _ when name.SequenceEqual("resourceType"u8):
                    isBundle = reader.TokenType == JsonTokenType.String && reader.ValueTextEquals("Bundle"u8);
                    Require(isBundle, FhirFormatReason.WrongResourceType);
                    break;
                case var _ when name.SequenceEqual("type"u8):
                    isSearchset = reader.TokenType == JsonTokenType.String && reader.ValueTextEquals("searchset"u8);
                    Require(isSearchset, FhirFormatReason.NotASearchset);
                    break;
                case var _ when name.SequenceEqual("total"u8):
                    total = reader.TokenType == JsonTokenType.Number && reader.TryGetInt32(out var count) && count >= 0 ? count : null;
                    break;
                case var _ when name.SequenceEqual("link"u8):
                    next = ReadLinks();
                    break;
                case var _ when name.SequenceEqual("entry"u8):
                    ReadEntries();
                    break;
                default:
                    Skip();
                    break;
            }
        }

        Pop();
        Require(isBundle, FhirFormatReason.NoResourceType);
        Require(isSearchset, FhirFormatReason.NotASearchset);
        ReadEnd();
        return Summarize(request, next, total);
    }

    /// <summary>Goes to the next member's value; false at the end of the object.</summary>
    private bool ReadMember(out ReadOnlySpan<byte> name)
    {
        name = [];
        Read();
        if (reader.TokenType == JsonTokenType.EndObject)
        {
            return false;
        }

        name = PropertyName();
        Read();
        return true;
    }

    private readonly void Require(bool condition, FhirFormatReason reason)
    {
        if (!condition)
        {
            throw Error(reason);
        }
    }

    private string? ReadLinks()
    {
        string? next = null;
        Expect(JsonTokenType.StartArray);
        Push(Kind.Plain);
        Read();
        while (reader.TokenType != JsonTokenType.EndArray)
        {
            Expect(JsonTokenType.StartObject);
            Push(Kind.Plain);
            var isNext = false;
            string? url = null;
            while (ReadMember(out var name))
            {
                if (name.SequenceEqual("relation"u8))
                {
                    isNext = reader.TokenType == JsonTokenType.String && reader.ValueTextEquals("next"u8);
                }
                else if (name.SequenceEqual("url"u8))
                {
                    Expect(JsonTokenType.String);
                    url = System.Text.Encoding.UTF8.GetString(Text());
                }
                else
                {
                    Skip();
                }
            }

            Pop();
            next ??= isNext ? url : null;
            Read();
        }

        Pop();
        return next;
    }

    private void ReadEntries()
    {
        Expect(JsonTokenType.StartArray);
        Push(Kind.Plain);
        Read();
        while (reader.TokenType != JsonTokenType.EndArray)
        {
            Expect(JsonTokenType.StartObject);
            Require(work.Entries.Count < Normalizer.EntriesMax, FhirFormatReason.TooManyEntries);
            ReadEntry();
            Read();
        }

        Pop();
    }

    private void ReadEntry()
    {
        var entry = default(Entry);
        var hasResource = false;
        var isOutcome = false;
        searchMode = EntryMode.Unsaid;
        Push(Kind.Plain);
        while (ReadMember(out var name))
        {
            if (name.SequenceEqual("resource"u8) && reader.TokenType == JsonTokenType.StartObject)
            {
                hasResource = true;
                isOutcome = ReadEntryResource(ref entry);
            }
            else if (name.SequenceEqual("search"u8) && reader.TokenType == JsonTokenType.StartObject)
            {
                var start = work.Output.Length;
                copied = (int)reader.TokenStartIndex;
                Walk(Kind.Search);
                CopyTo((int)reader.BytesConsumed);
                entry.Search = start..work.Output.Length;
            }
            else if (!name.SequenceEqual("fullUrl"u8))
            {
                // What else an entry may hold (link, request, response, ids and extensions of the envelope) concerns the
                // conversation with the EHR, not the resource.
                work.Count(Rule.EntryMembers);
                Skip();
            }
        }

        Pop();
        entry.Mode = searchMode;
        if (!hasResource)
        {
            withoutResource++;
        }
        else if (!isOutcome)
        {
            work.Entries.Add(entry);
        }
    }

    private bool ReadEntryResource(ref Entry entry)
    {
        PeekType();
        if (source[typeName].SequenceEqual("OperationOutcome"u8))
        {
            OutcomeReader.Read(ref reader, rules.Profile, work.Issues, out var report);
            Require(report.Complete, FhirFormatReason.Truncated);
            incomplete |= report.Incomplete;
            sessionExpired |= report.SessionExpired;
            return true;
        }

        var start = work.Output.Length;
        WalkResource();
        entry.Resource = start..work.Output.Length;
        entry.Type = typeName;
        entry.Id = id;
        entry.Foreign = foreign;
        return false;
    }

    private void OnSearchMode()
    {
        searchMode = reader.ValueTextEquals("match"u8) ? EntryMode.Match
            : reader.ValueTextEquals("include"u8) ? EntryMode.Include
            : reader.ValueTextEquals("outcome"u8) ? EntryMode.Outcome
            : EntryMode.Unsaid;
    }

    /// <summary>Sorts the entries out: repeated ones, and ones that may not be passed on.</summary>
    private PageResult Summarize(PageRequest request, string? next, int? total)
    {
        var matches = 0;
        var others = 0;
        var entries = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(work.Entries);
        for (var i = 0; i < entries.Length; i++)
        {
            ref var entry = ref entries[i];
            entry.Replaced = !IsAllowed(ref entry, request);
            if (!entry.Replaced)
            {
                ReplaceEarlier(entries, i);
            }
        }

        foreach (ref readonly var entry in entries)
        {
            matches += entry is { Replaced: false, Match: true } ? 1 : 0;
            others += entry is { Replaced: false, Match: false } ? 1 : 0;
        }

        AddLeftOut();
        return new PageResult
        {
            Next = next,
            Total = rules.Profile.Search.TotalOfPage ? null : total,
            Matches = matches,
            Others = others,
            Patients = [.. work.Patients],
            Issues = [.. work.Issues],
            Aliases = [.. work.Aliases],
            Incomplete = incomplete,
            SessionExpired = sessionExpired,
            RuleCounts = Rules.Counted(work.Counts),
        };
    }

    private bool IsAllowed(ref Entry entry, PageRequest request)
    {
        if (entry.Id.Equals(default) || entry.Id.End.Value == entry.Id.Start.Value)
        {
            withoutId++;
            return false;
        }

        if (entry.Foreign)
        {
            ofOthers++;
            return false;
        }

        var typeBytes = source[entry.Type];
        var isSearched = Same(request.Type, typeBytes);
        entry.Match = entry.Mode == EntryMode.Match || (entry.Mode == EntryMode.Unsaid && isSearched);
        if (isSearched)
        {
            return true;
        }

        var known = rules.Type(typeBytes)?.Name;
        var allowed = known is not null && !entry.Match && entry.Mode != EntryMode.Outcome
            && (request.MayInclude?.Invoke(known) ?? rules.Profile.Resources.ContainsKey(known));
        ofOtherType += allowed ? 0 : 1;
        return allowed;
    }

    private static bool Same(string text, ReadOnlySpan<byte> bytes) => System.Text.Ascii.Equals(bytes, text);

    /// <summary>Of a resource that a page repeats the last one stands: Oracle Health's pages do repeat, and say so.</summary>
    private readonly void ReplaceEarlier(Span<Entry> entries, int index)
    {
        ref var entry = ref entries[index];
        var key = Fingerprint.Of(source[entry.Type], work.Ids.Written[entry.Id]);
        if (work.EntryByKey.TryGetValue(key, out var earlierIndex))
        {
            ref var earlier = ref entries[earlierIndex];
            if (!source[entry.Type].SequenceEqual(source[earlier.Type])
                || !work.Ids.Written[entry.Id].SequenceEqual(work.Ids.Written[earlier.Id]))
            {
                return;
            }

            earlier.Replaced = true;
            work.Count(Rule.RepeatedResources);
            if (earlier.Match && !entry.Match)
            {
                // It matched as well as came along: it is a match.
                entry.Match = true;
                entry.Mode = earlier.Mode;
                entry.Search = earlier.Search;
            }
        }

        work.EntryByKey[key] = index;
    }

    private void AddLeftOut()
    {
        if (withoutResource + withoutId > 0)
        {
            incomplete = true;
            work.Issues.Add(new OutcomeIssue(
                "warning",
                "incomplete",
                $"The EHR sent {withoutResource + withoutId} entries without a resource or without an id; they are left out.",
                "EHR-FHR-001"));
        }

        if (ofOthers > 0)
        {
            // Someone's data under another's name is worse than none.
            work.Issues.Add(new OutcomeIssue(
                "error",
                "suppressed",
                $"The EHR sent {ofOthers} resources of other patients than was asked for; they are left out. Tell the hospital.",
                "EHR-FHR-003"));
        }

        if (ofOtherType > 0)
        {
            work.Issues.Add(new OutcomeIssue(
                "warning",
                "suppressed",
                $"The EHR sent {ofOtherType} resources of a type that was not asked for or that may not be seen; they are left out.",
                "EHR-FHR-002"));
        }
    }

    /// <summary>Writes the entries that stand.</summary>
    internal readonly void WriteEntries(string gatewayBase, IBufferWriter<byte> output)
    {
        var fullUrl = JsonEncodedText.Encode(gatewayBase, JavaScriptEncoder.UnsafeRelaxedJsonEscaping).EncodedUtf8Bytes;
        var isFirst = true;
        foreach (ref readonly var entry in System.Runtime.InteropServices.CollectionsMarshal.AsSpan(work.Entries))
        {
            if (entry.Replaced)
            {
                continue;
            }

            output.Write(isFirst ? "{\"fullUrl\":\""u8 : ",{\"fullUrl\":\""u8);
            isFirst = false;
            output.Write(fullUrl);
            output.Write("/"u8);
            output.Write(source[entry.Type]);
            output.Write("/"u8);
            output.Write(work.Ids.Written[entry.Id]);
            output.Write("\",\"resource\":"u8);
            output.Write(work.Output.Written[entry.Resource]);
            output.Write(",\"search\":"u8);
            output.Write(!entry.Search.Equals(default) ? work.Output.Written[entry.Search]
                : entry.Match ? "{\"mode\":\"match\"}"u8
                : "{\"mode\":\"include\"}"u8);
            output.Write("}"u8);
        }
    }
}
