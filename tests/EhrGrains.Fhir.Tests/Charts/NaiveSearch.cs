using System.Globalization;
using System.Text;
using Hl7.Fhir.FhirPath;
using Hl7.Fhir.Model;
using Hl7.FhirPath;

namespace EhrGrains.Fhir.Tests.Charts;

/// <summary>
/// The judge: FHIR's search expressions run by Firely's FHIRPath engine over Firely's objects, and each value compared as
/// R4 search.html words it. Nothing of it is shared with the chart.
/// </summary>
internal static class NaiveSearch
{
    private static readonly FhirEvaluationContext Context = new()
    {
        ElementResolver = url => ModelInfo.IsKnownResource(TypeOf(url)) ? ResourceOf(TypeOf(url)).ToPocoNode() : null,
    };

    static NaiveSearch() => FhirPathCompiler.DefaultSymbolTable.AddFhirExtensions();

    internal static IReadOnlyList<Base> Values(Resource resource, string expression) => [.. resource.Select(expression, Context).OfType<Base>()];

    internal static bool Token(Base value, string? system, string code) => value switch
    {
        CodeableConcept concept => concept.Coding.Any(coding => Token(coding, system, code)),
        Coding coding => SameCode(coding.Code, code) && SameSystem(coding.System, system),
        Identifier identifier => SameCode(identifier.Value, code) && SameSystem(identifier.System, system),
        ContactPoint contact => SameCode(contact.Value, code) && SameSystem(null, system),
        FhirBoolean or FhirString or FhirUri or Id => SameCode(Text(value), code) && SameSystem(null, system),
        PrimitiveType coded => SameCode(Text(coded), code),
        _ => false,
    };

    internal static bool Words(Base value, string text) => value switch
    {
        CodeableConcept concept => Begins(concept.Text, text) || concept.Coding.Any(coding => Begins(coding.Display, text)),
        Coding coding => Begins(coding.Display, text),
        Identifier identifier => Begins(identifier.Type?.Text, text),
        _ => false,
    };

    internal static bool Begins(string? value, string text) => value is not null && Folded(value).StartsWith(Folded(text), StringComparison.Ordinal);

    internal static IEnumerable<string> Strings(Base value) => value switch
    {
        HumanName name => new[] { name.Text, name.Family }.Concat(name.Given).Concat(name.Prefix).Concat(name.Suffix).OfType<string>(),
        Address address => new[] { address.Text, address.City, address.District, address.State, address.PostalCode, address.Country }
            .Concat(address.Line).OfType<string>(),
        _ => Text(value) is { } text ? [text] : [],
    };

    internal static bool Reference(Base value, string type, string id) => value is ResourceReference { Reference: { } url }
        && (url == $"{type}/{id}" || url.StartsWith($"{type}/{id}/_history/", StringComparison.Ordinal));

    /// <summary>Compares as the table of R4 search.html#prefix does; dates without a zone are UTC here.</summary>
    internal static bool Date(Base value, string prefix, string wanted)
    {
        if (Range(value) is not var (from, to))
        {
            return false;
        }

        var (start, end) = Range(wanted);
        var contained = start <= from && to <= end;
        return prefix switch
        {
            "eq" => contained,
            "ne" => !contained,
            "gt" => to > end,
            "lt" => from < start,
            "ge" => to > end || contained,
            "le" => from < start || contained,
            "sa" => from >= end,
            "eb" => to <= start,
            _ => throw new ArgumentOutOfRangeException(nameof(prefix)),
        };
    }

    internal static bool Quantity(Base value, string prefix, decimal wanted, decimal half, string? unit) =>
        value is Quantity { Value: { } number } quantity && (unit is null || quantity.Code == unit || quantity.Unit == unit) && prefix switch
        {
            "eq" => number >= wanted - half && number < wanted + half,
            "ne" => !(number >= wanted - half && number < wanted + half),
            "gt" or "sa" => number > wanted,
            "lt" or "eb" => number < wanted,
            "ge" => number >= wanted,
            "le" => number <= wanted,
            _ => throw new ArgumentOutOfRangeException(nameof(prefix)),
        };

    internal static string? Text(Base value) => (value as PrimitiveType)?.JsonValue switch
    {
        bool truth => truth ? "true" : "false",
        { } other => Convert.ToString(other, CultureInfo.InvariantCulture),
        null => null,
    };

    private static (DateTimeOffset From, DateTimeOffset To)? Range(Base value) => value switch
    {
        Period { Start: null, End: null } => null,
        Period period => (period.Start is null ? DateTimeOffset.MinValue : Range(period.Start).From, period.End is null ? DateTimeOffset.MaxValue : Range(period.End).To),
        Timing { EventElement.Count: > 0 } timing => (timing.EventElement.Min(e => Range(e.Value!).From), timing.EventElement.Max(e => Range(e.Value!).To)),
        Timing => null,
        PrimitiveType => Text(value) is { } text ? Range(text) : null,
        _ => null,
    };

    private static (DateTimeOffset From, DateTimeOffset To) Range(string text)
    {
        foreach (var (form, next) in Forms)
        {
            if (DateTimeOffset.TryParseExact(text, form, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var from))
            {
                return (from, next(from));
            }
        }

        throw new FormatException("Not a date of FHIR.");
    }

    private static readonly (string Form, Func<DateTimeOffset, DateTimeOffset> Next)[] Forms =
    [
        ("yyyy", d => d.AddYears(1)),
        ("yyyy-MM", d => d.AddMonths(1)),
        ("yyyy-MM-dd", d => d.AddDays(1)),
        ("yyyy-MM-ddTHH:mm", d => d.AddMinutes(1)),
        ("yyyy-MM-ddTHH:mmK", d => d.AddMinutes(1)),
        ("yyyy-MM-ddTHH:mm:ss", d => d.AddSeconds(1)),
        ("yyyy-MM-ddTHH:mm:ssK", d => d.AddSeconds(1)),
        ("yyyy-MM-ddTHH:mm:ss.fffK", d => d.AddMilliseconds(1)),
    ];

    private static bool SameCode(string? own, string wanted) => string.Equals(own, wanted, StringComparison.OrdinalIgnoreCase);

    private static bool SameSystem(string? own, string? wanted) => wanted is null || (own ?? "") == wanted;

    private static string Folded(string text) => new string(
        [.. text.Normalize(NormalizationForm.FormD).Where(c => CharUnicodeInfo.GetUnicodeCategory(c) != UnicodeCategory.NonSpacingMark)])
        .ToLowerInvariant();

    private static string TypeOf(string url) => url.Split('/') is [.., var type, _] ? type : "";

    private static Resource ResourceOf(string type) => (Resource)Activator.CreateInstance(ModelInfo.GetTypeForFhirType(type)!)!;
}
