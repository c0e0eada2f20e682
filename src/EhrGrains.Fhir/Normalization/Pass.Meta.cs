using System.Text.Json;

namespace EhrGrains.Fhir.Normalization;

/// <summary>
/// <c>meta.source</c> and the tenant's tag. What the EHR had in <c>meta.source</c> stays as an extension; a tag in our system
/// that we did not write, as a gateway in front of this one might have, moves to a system of its own, so that ours can be trusted.
/// </summary>
internal ref partial struct Pass
{
    private static ReadOnlySpan<byte> QuotedUpstreamTenantSystem => "\"https://ehrgrains.dev/fhir/upstream-tenant\""u8;

    /// <summary>Reads ahead: an extension array may end before the source is met that belongs into it.</summary>
    private void LookIntoMeta()
    {
        originalSource = default;
        needsSource = true;
        needsTag = true;
        tagsOfOthers = false;
        var ahead = reader;
        while (ahead.Read() && ahead.TokenType == JsonTokenType.PropertyName)
        {
            var isSource = ahead.ValueTextEquals("source"u8);
            var isTag = ahead.ValueTextEquals("tag"u8);
            if (!ahead.Read())
            {
                return;
            }

            if (isSource && ahead.TokenType == JsonTokenType.String)
            {
                var found = (int)ahead.TokenStartIndex..(int)ahead.BytesConsumed;
                needsSource = !source[found].SequenceEqual(scope.Source);
                originalSource = needsSource ? found : default;
            }
            else if (isTag && ahead.TokenType == JsonTokenType.StartArray)
            {
                LookIntoTags(ref ahead);
            }
            else if (!ahead.TrySkip())
            {
                return;
            }
        }
    }

    private void LookIntoTags(ref Utf8JsonReader ahead)
    {
        var floor = ahead.CurrentDepth;
        var inOurs = false;
        var isTenant = false;
        while (ahead.Read() && ahead.CurrentDepth > floor)
        {
            if (ahead.TokenType == JsonTokenType.StartObject)
            {
                inOurs = isTenant = false;
            }
            else if (ahead.TokenType == JsonTokenType.EndObject)
            {
                needsTag &= !(inOurs && isTenant);
                tagsOfOthers |= inOurs && !isTenant;
            }
            else if (ahead.TokenType == JsonTokenType.PropertyName && ahead.CurrentDepth == floor + 2)
            {
                var isSystem = ahead.ValueTextEquals("system"u8);
                var isCode = ahead.ValueTextEquals("code"u8);
                if (!ahead.Read())
                {
                    return;
                }

                var isString = ahead.TokenType == JsonTokenType.String;
                inOurs |= isSystem && isString && ahead.ValueTextEquals(ScopeRules.TenantSystem);
                isTenant |= isCode && isString && ahead.ValueTextEquals(scope.Tenant);
                subsetted |= isCode && isString && ahead.ValueTextEquals("SUBSETTED"u8);
                if (!ahead.TrySkip())
                {
                    return;
                }
            }
        }

        needsTag |= tagsOfOthers;
    }

    private void OnSource()
    {
        if (needsSource)
        {
            work.Count(Rule.TenantSource);
            Replace(scope.Source);
        }
    }

    private void AppendTag()
    {
        if (!needsTag)
        {
            return;
        }

        work.Count(Rule.TenantTag);
        CopyTo((int)reader.TokenStartIndex);
        if (Last(source[..(int)reader.TokenStartIndex]) != (byte)'[')
        {
            work.Output.Append(","u8);
        }

        work.Output.Append(scope.Tag);
    }

    private void AppendOriginalSource()
    {
        if (originalSource.Equals(default))
        {
            return;
        }

        CopyTo((int)reader.TokenStartIndex);
        if (Last(source[..(int)reader.TokenStartIndex]) != (byte)'[')
        {
            work.Output.Append(","u8);
        }

        WriteOriginalSource();
    }

    private void CloseMeta()
    {
        if (needsSource && !Top.Seen.HasFlag(Seen.Source))
        {
            work.Count(Rule.TenantSource);
            AddMember("\"source\":"u8);
            work.Output.Append(scope.Source);
        }

        if (!originalSource.Equals(default) && !Top.Seen.HasFlag(Seen.Extensions))
        {
            AddMember("\"extension\":["u8);
            WriteOriginalSource();
            work.Output.Append("]"u8);
        }

        if (needsTag && !Top.Seen.HasFlag(Seen.Tags))
        {
            work.Count(Rule.TenantTag);
            AddMember("\"tag\":["u8);
            work.Output.Append(scope.Tag);
            work.Output.Append("]"u8);
        }
    }

    private readonly void WriteOriginalSource()
    {
        work.Output.Append("{\"url\":\"https://ehrgrains.dev/fhir/StructureDefinition/original-source\",\"valueUri\":"u8);
        work.Output.Append(source[originalSource]);
        work.Output.Append("}"u8);
    }

    private static byte Last(ReadOnlySpan<byte> text) => text.TrimEnd(" \t\r\n"u8)[^1];
}
