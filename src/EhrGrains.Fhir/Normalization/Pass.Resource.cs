using System.Buffers;
using System.Text.Json;

namespace EhrGrains.Fhir.Normalization;

/// <summary>The walk through a resource.</summary>
internal ref partial struct Pass
{
    private static readonly SearchValues<byte> Letters = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"u8);

    internal ResourceResult ReadResource()
    {
        ReadRoot();
        WalkResource();
        ReadEnd();
        return new ResourceResult
        {
            Type = System.Text.Encoding.ASCII.GetString(source[typeName]),
            Id = System.Text.Encoding.ASCII.GetString(work.Ids.Written[id]),
            VersionId = versionId,
            LastUpdated = lastUpdated,
            Patients = [.. work.Patients],
            Aliases = [.. work.Aliases],
            RuleCounts = Rules.Counted(work.Counts),
        };
    }

    /// <summary>Walks the resource whose start the reader stands on; everything of it is in the output afterwards.</summary>
    private void WalkResource()
    {
        PeekType();
        id = default;
        mustHavesMet = 0;
        subsetted = redacted = replaced = foreign = false;
        copied = (int)reader.TokenStartIndex;
        Walk(Kind.Resource);
        CopyTo((int)reader.BytesConsumed);
    }

    /// <summary>Walks the object or array whose start the reader stands on, to its end.</summary>
    private void Walk(Kind kind)
    {
        var floor = depth;
        Push(kind);
        var member = Member.None;
        while (depth > floor)
        {
            Read();
            switch (reader.TokenType)
            {
                case JsonTokenType.PropertyName:
                    member = OnProperty();
                    break;
                case JsonTokenType.StartObject or JsonTokenType.StartArray:
                    Open(member);
                    member = Member.None;
                    break;
                case JsonTokenType.EndObject or JsonTokenType.EndArray:
                    Close();
                    break;
                case JsonTokenType.String:
                    OnString(member);
                    member = Member.None;
                    break;
                default:
                    OnLiteral(member);
                    member = Member.None;
                    break;
            }
        }
    }

    private void PeekType()
    {
        var ahead = reader;
        while (true)
        {
            if (!ahead.Read())
            {
                throw new FhirFormatException(FhirFormatReason.Truncated, source.Length);
            }

            if (ahead.TokenType == JsonTokenType.EndObject)
            {
                throw Error(FhirFormatReason.NoResourceType);
            }

            var found = ahead.ValueTextEquals("resourceType"u8);
            if (!ahead.Read() || (!found && !ahead.TrySkip()))
            {
                throw new FhirFormatException(FhirFormatReason.Truncated, source.Length);
            }

            if (found)
            {
                break;
            }
        }

        if (ahead.TokenType != JsonTokenType.String || !IsTypeName(ahead.ValueSpan))
        {
            throw Error(FhirFormatReason.NoResourceType);
        }

        var start = (int)ahead.TokenStartIndex + 1;
        typeName = start..(start + ahead.ValueSpan.Length);
        type = rules.Type(ahead.ValueSpan);
    }

    private static bool IsTypeName(ReadOnlySpan<byte> name) =>
        name.Length is > 0 and <= 64 && char.IsAsciiLetterUpper((char)name[0]) && !name.ContainsAnyExcept(Letters);

    private Member OnProperty()
    {
        var name = PropertyName();
        elementName = name;
        var kind = Top.Kind;
        var member = Members.Classify(kind, name);
        if (kind == Kind.Resource && type is { MustHaves.Length: > 0 })
        {
            for (var i = 0; i < type.MustHaves.Length; i++)
            {
                if (type.MustHaves[i].IsMetBy(name))
                {
                    mustHavesMet |= 1 << i;
                }
            }
        }

        Top.Seen |= member switch
        {
            Member.Meta => Seen.Meta,
            Member.Source => Seen.Source,
            Member.Tags => Seen.Tags,
            Member.MetaExtension => Seen.Extensions,
            Member.TypeCoding => Seen.Coding,
            Member.IdentifierValue => Seen.Value,
            Member.MaskedValue => Seen.MaskedValue,
            Member.Active => Seen.Active,
            _ => Seen.None,
        };
        return member;
    }

    private void Open(Member member)
    {
        if (reader.TokenType == JsonTokenType.StartArray)
        {
            Push(member switch
            {
                Member.Tags => Kind.MetaTags,
                Member.MetaExtension => Kind.MetaExtensions,
                Member.Identifier => Kind.Identifiers,
                Member.Security => Kind.MetaSecurity,
                Member.PatientLink when type?.Name == "Patient" => Kind.PatientLinks,
                _ when Members.IsString(member) || member == Member.Meta => throw Error(FhirFormatReason.WrongJsonType),
                _ => Kind.Plain,
            });
            Top.IsArray = true;
            return;
        }

        if (member == Member.Meta)
        {
            LookIntoMeta();
        }

        Push(member switch
        {
            Member.Meta => Kind.Meta,
            Member.Identifier => Kind.Identifier,
            Member.IdentifierType => Kind.IdentifierType,
            Member.Class when MapClass() => Kind.MappedClass,
            Member.Subject => Kind.Subject,
            Member.Tags or Member.MetaExtension => throw Error(FhirFormatReason.WrongJsonType),
            _ when Members.IsString(member) => throw Error(FhirFormatReason.WrongJsonType),
            _ => Top.Kind switch
            {
                Kind.Identifiers => Kind.Identifier,
                Kind.MetaTags => Kind.MetaTag,
                Kind.MetaSecurity => Kind.MetaSecurity,
                Kind.PatientLinks => Kind.PatientLink,
                _ => Kind.Plain,
            },
        });
        if (Top.Kind == Kind.IdentifierType)
        {
            identifierText = default;
        }
    }

    private void Close()
    {
        if (!Top.MarkedUp.Equals(default))
        {
            SayMarkedUp();
        }

        switch (Top.Kind)
        {
            case Kind.Resource:
                CloseResource();
                break;
            case Kind.Meta:
                CloseMeta();
                break;
            case Kind.MetaTags:
                AppendTag();
                break;
            case Kind.MetaExtensions:
                AppendOriginalSource();
                break;
            case Kind.IdentifierType:
                CloseIdentifierType();
                break;
            case Kind.Identifier:
                CountMasked();
                break;
            case Kind.MappedClass:
                Insert((int)reader.BytesConsumed, "}]}"u8);
                break;
        }

        Pop();
    }

    private void OnString(Member member)
    {
        if (reader.ValueIsEscaped)
        {
            CheckEscapes(reader);
        }

        switch (member)
        {
            case Member.None:
                OnText();
                break;
            case Member.Reference or Member.Url or Member.SubjectReference:
                OnReference(member);
                break;
            case Member.System or Member.TagSystem:
                OnSystem(member);
                break;
            case Member.Id:
                OnId();
                break;
            case Member.Source:
                OnSource();
                break;
            case Member.IdentifierValue:
                OnIdentifierValue();
                break;
            case Member.TypeText:
                identifierText = ((int)reader.TokenStartIndex + 1)..((int)reader.BytesConsumed - 1);
                break;
            case Member.Security:
                redacted |= rules.Applies(Rule.RedactedResources) && (reader.ValueTextEquals("REDACTED"u8) || reader.ValueTextEquals("MASKED"u8));
                break;
            case Member.LinkType:
                replaced |= rules.Applies(Rule.MergedPatients) && reader.ValueTextEquals("replaced-by"u8);
                break;
            case Member.VersionId:
                versionId = reader.GetString();
                break;
            case Member.LastUpdated:
                OnLastUpdated();
                break;
            case Member.SearchMode:
                OnSearchMode();
                break;
            case Member.Meta or Member.Tags or Member.MetaExtension:
                throw Error(FhirFormatReason.WrongJsonType);
        }
    }

    private readonly void OnLiteral(Member member)
    {
        if (Members.IsString(member) || member is Member.Meta or Member.Tags or Member.MetaExtension)
        {
            throw Error(FhirFormatReason.WrongJsonType);
        }
    }

    private void CloseResource()
    {
        if (!Top.Seen.HasFlag(Seen.Meta))
        {
            work.Count(Rule.TenantSource);
            work.Count(Rule.TenantTag);
            AddMember("\"meta\":{\"source\":"u8);
            work.Output.Append(scope.Source);
            work.Output.Append(",\"tag\":["u8);
            work.Output.Append(scope.Tag);
            work.Output.Append("]}"u8);
        }

        if (replaced)
        {
            CloseReplaced();
        }

        if (redacted)
        {
            work.Count(Rule.RedactedResources);
        }

        if (type is null || subsetted || redacted)
        {
            return;
        }

        for (var i = 0; i < type.MustHaves.Length; i++)
        {
            if ((mustHavesMet & (1 << i)) == 0)
            {
                work.Count(Rule.MustHaves);
                AddMember(type.MustHaves[i].Absent);
            }
        }
    }
}
