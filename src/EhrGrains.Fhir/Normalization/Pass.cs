using System.Buffers;
using System.Buffers.Text;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace EhrGrains.Fhir.Normalization;

/// <summary>
/// One pass over one input. The reader walks the tokens; what no rule touches is copied as the bytes it was, up to the next
/// change. A change replaces or inserts bytes at the token that it concerns, so nothing is ever parsed into objects.
/// </summary>
internal ref partial struct Pass
{
    // Far beyond what Push lets through, so that the reader itself never has to say "too deep".
    private const int ReaderDepthMax = 10_000;

    private readonly ReadOnlySpan<byte> source;
    private readonly ScopeRules scope;
    private readonly ProfileRules rules;
    private readonly Workspace work;
    private Utf8JsonReader reader;
    private int copied;
    private int depth;
    private bool ended;

    // The resource that is walked.
    private TypeRules? type;
    private Range typeName;
    private Range id;
    private string? versionId;
    private DateTimeOffset? lastUpdated;
    private ReadOnlySpan<byte> elementName;
    private int mustHavesMet;
    private bool subsetted;
    private bool redacted;
    private bool replaced;
    private bool foreign;
    private Range identifierText;

    // Its meta.
    private Range originalSource;
    private bool needsSource;
    private bool needsTag;
    private bool tagsOfOthers;

    // The page.
    private EntryMode searchMode;
    private int withoutResource;
    private int withoutId;
    private HashSet<string>? patients;
    private int ofOtherType;
    private int ofOthers;
    private bool incomplete;
    private bool sessionExpired;

    internal Pass(ReadOnlySpan<byte> source, ScopeRules scope, Workspace work)
    {
        this.source = source;
        this.scope = scope;
        rules = scope.Profile;
        this.work = work;

        // "Not the final block" makes the reader tell a text that ends too early (false) from one that is wrong (throws).
        reader = new Utf8JsonReader(
            source, isFinalBlock: false, new JsonReaderState(new JsonReaderOptions { MaxDepth = ReaderDepthMax }));
    }

    /// <summary>What the reader's exception means, where it stands now. Its message quotes the input and is not kept.</summary>
    internal readonly FhirFormatException Failure() => Error(ended ? FhirFormatReason.TrailingData : FhirFormatReason.NotJson);

    /// <summary>Checks that the input is UTF-8: the reader itself looks only at the strings that somebody asks for.</summary>
    internal static void CheckText(ReadOnlySpan<byte> source)
    {
        if (Utf8.IsValid(source))
        {
            return;
        }

        var position = 0;
        while (true)
        {
            var status = Rune.DecodeFromUtf8(source[position..], out _, out var length);
            if (status != OperationStatus.Done)
            {
                var reason = status == OperationStatus.NeedMoreData ? FhirFormatReason.Truncated : FhirFormatReason.InvalidText;
                throw new FhirFormatException(reason, position);
            }

            position += length;
        }
    }

    private readonly FhirFormatException Error(FhirFormatReason reason) => new(reason, reader.BytesConsumed);

    private void Read()
    {
        if (!reader.Read())
        {
            throw Error(FhirFormatReason.Truncated);
        }
    }

    /// <summary>Passes over the value that the reader stands on.</summary>
    private void Skip()
    {
        if (reader.TokenType is not (JsonTokenType.StartObject or JsonTokenType.StartArray))
        {
            return;
        }

        var floor = reader.CurrentDepth;
        do
        {
            Read();
            if (reader.CurrentDepth >= Normalizer.DepthMax && reader.TokenType is (JsonTokenType.StartObject or JsonTokenType.StartArray))
            {
                throw Error(FhirFormatReason.TooDeep);
            }
        }
        while (reader.CurrentDepth > floor);
    }

    private void ReadRoot()
    {
        Read();
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            throw Error(FhirFormatReason.NotAnObject);
        }
    }

    private void ReadEnd()
    {
        ended = true;
        if (reader.Read())
        {
            throw Error(FhirFormatReason.TrailingData);
        }
    }

    private readonly void Expect(JsonTokenType type)
    {
        if (reader.TokenType != type)
        {
            throw Error(FhirFormatReason.WrongJsonType);
        }
    }

    private void Push(Kind kind)
    {
        if (reader.CurrentDepth >= Normalizer.DepthMax)
        {
            throw Error(FhirFormatReason.TooDeep);
        }

        work.Frames[depth++] = new Frame { Kind = kind, Names = work.NameCount };
    }

    private readonly ref Frame Top => ref work.Frames[depth - 1];

    private void Pop()
    {
        depth--;
        work.NameCount = work.Frames[depth].Names;
    }

    /// <summary>Notes the property name that the reader stands on, which has to be new in its object; gives it unescaped.</summary>
    private readonly ReadOnlySpan<byte> PropertyName()
    {
        var name = Text();
        var mark = Fingerprint.Of(name);
        var names = work.Names.AsSpan(Top.Names, work.NameCount - Top.Names);
        if (names.Contains(mark))
        {
            throw Error(FhirFormatReason.DuplicateProperty);
        }

        if (names.Length == Normalizer.PropertiesMax)
        {
            throw Error(FhirFormatReason.TooManyProperties);
        }

        work.PushName(mark);
        return name;
    }

    /// <summary>The string or name that the reader stands on, unescaped.</summary>
    private readonly ReadOnlySpan<byte> Text() => TextOf(reader);

    private static ReadOnlySpan<byte> TextOf(scoped in Utf8JsonReader at)
    {
        if (!at.ValueIsEscaped)
        {
            return at.ValueSpan;
        }

        CheckEscapes(at);
        var text = new byte[at.ValueSpan.Length];
        return text.AsSpan(0, at.CopyString(text));
    }

    /// <summary>Refuses an escape that stands for half a character: whoever decodes the answer would throw or replace it.</summary>
    private static void CheckEscapes(scoped in Utf8JsonReader at)
    {
        var rest = at.ValueSpan;
        while (true)
        {
            var escape = rest.IndexOf((byte)'\\');
            if (escape < 0)
            {
                return;
            }

            if (rest[escape + 1] != (byte)'u')
            {
                rest = rest[(escape + 2)..];
                continue;
            }

            var length = CharacterLength(rest[escape..]);
            if (length == 0)
            {
                throw new FhirFormatException(FhirFormatReason.InvalidText, at.TokenStartIndex);
            }

            rest = rest[(escape + length)..];
        }
    }

    // The length of a \uXXXX escape, or of two that make a surrogate pair; 0 when it is half of one.
    private static int CharacterLength(ReadOnlySpan<byte> escape)
    {
        var unit = Unit(escape);
        if (!char.IsSurrogate(unit))
        {
            return 6;
        }

        var paired = char.IsHighSurrogate(unit)
            && escape.Length >= 12 && escape[6] == (byte)'\\' && escape[7] == (byte)'u'
            && char.IsLowSurrogate(Unit(escape[6..]));
        return paired ? 12 : 0;
    }

    private static char Unit(ReadOnlySpan<byte> escape)
    {
        // The reader has checked that these are four hexadecimal digits.
        _ = Utf8Parser.TryParse(escape.Slice(2, 4), out ushort unit, out _, 'x');
        return (char)unit;
    }

    private void CopyTo(int position)
    {
        work.Output.Append(source[copied..position]);
        copied = position;
    }

    private void Insert(int position, scoped ReadOnlySpan<byte> bytes)
    {
        CopyTo(position);
        work.Output.Append(bytes);
    }

    /// <summary>Writes something else for the value that the reader stands on.</summary>
    private void Replace(scoped ReadOnlySpan<byte> bytes)
    {
        Insert((int)reader.TokenStartIndex, bytes);
        copied = (int)reader.BytesConsumed;
    }

    /// <summary>Adds a member to the object whose end the reader stands on.</summary>
    private void AddMember(scoped ReadOnlySpan<byte> member)
    {
        CopyTo((int)reader.TokenStartIndex);
        if (work.NameCount > Top.Names)
        {
            work.Output.Append(","u8);
        }

        work.Output.Append(member);
        work.PushName(0);
    }
}
