using System.Text.RegularExpressions;

namespace EhrGrains.Contracts.Tenants;

/// <summary>
/// What is wrong with the site layer of a tenant, and what differs between two: the part of <see cref="TenantSpecRules"/> that is
/// about mapping. Whether its rules can be compiled is known to the grain, which has the rules they go over.
/// </summary>
internal static partial class MappingSpecRules
{
    private const int AuthoritiesMax = 1_000;
    private const int CodesMax = 20_000;
    private const int RulesLengthMax = 256 * 1024;
    private const int NameLengthMax = 227;
    private const int UriLengthMax = 2_048;
    private const int CodeLengthMax = 256;
    private const int DisplayLengthMax = 1_024;

    internal static void Check(List<Problem> problems, MappingSpec mapping)
    {
        CheckAuthorities(problems, mapping.Authorities ?? []);
        CheckCodes(problems, mapping.Codes ?? []);
        if (mapping.Rules is null or { Length: > RulesLengthMax })
        {
            problems.Add(new("EHR-MAP-026", "mapping.rules", "The rules have at most 262,144 characters."));
        }
    }

    internal static void Flatten(Dictionary<string, string?> values, MappingSpec mapping)
    {
        foreach (var (name, system) in mapping.Authorities)
        {
            values[$"mapping.authorities.{name}"] = system;
        }

        foreach (var code in mapping.Codes)
        {
            values[$"mapping.codes.{code.Field}.{code.From}"] = $"{code.System}|{code.Code}" + (code.Display is null ? "" : $" {code.Display}");
        }

        values["mapping.rules"] = mapping.Rules.Length == 0 ? null : TenantSpecRules.Fingerprint(mapping.Rules);
    }

    private static void CheckAuthorities(List<Problem> problems, Dictionary<string, string> authorities)
    {
        if (authorities.Count > AuthoritiesMax)
        {
            problems.Add(new("EHR-MAP-021", "mapping.authorities", "At most 1,000 authorities."));
            return;
        }

        foreach (var (name, system) in authorities)
        {
            if (!TenantSpecRules.IsPlainText(name, NameLengthMax) || !IsUri(system))
            {
                problems.Add(new(
                    "EHR-MAP-022", $"mapping.authorities.{name}", "An authority of 1 to 227 characters has an absolute URI, for example urn:oid:1.2.3."));
            }
        }
    }

    private static void CheckCodes(List<Problem> problems, CodeMapping[] codes)
    {
        if (codes.Length > CodesMax)
        {
            problems.Add(new("EHR-MAP-023", "mapping.codes", "At most 20,000 codes."));
            return;
        }

        var known = new HashSet<(string, string)>();
        for (var i = 0; i < codes.Length; i++)
        {
            var (path, code) = ($"mapping.codes[{i}]", codes[i]);
            if (code.Field is null || !Field().IsMatch(code.Field))
            {
                problems.Add(new("EHR-MAP-024", $"{path}.field", "Name a field, for example OBX-3."));
            }

            CheckText(problems, $"{path}.from", code.From, CodeLengthMax);
            CheckText(problems, $"{path}.code", code.Code, CodeLengthMax);
            CheckText(problems, $"{path}.display", code.Display ?? "-", DisplayLengthMax);
            if (!IsUri(code.System))
            {
                problems.Add(new("EHR-MAP-028", $"{path}.system", "Name the code system by its absolute URI, for example http://loinc.org."));
            }

            if (!known.Add((code.Field ?? "", code.From ?? "")))
            {
                problems.Add(new("EHR-MAP-027", $"{path}.from", "The same code of the same field is mapped above."));
            }
        }
    }

    private static void CheckText(List<Problem> problems, string path, string? text, int lengthMax)
    {
        if (!TenantSpecRules.IsPlainText(text, lengthMax))
        {
            problems.Add(new("EHR-MAP-025", path, $"Has 1 to {lengthMax} characters, no control characters."));
        }
    }

    private static bool IsUri(string? text) => text is { Length: >= 1 and <= UriLengthMax } && Uri.TryCreate(text, UriKind.Absolute, out _);

    [GeneratedRegex(@"^[A-Z][A-Z0-9]{2}-[1-9][0-9]{0,2}\z", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking, matchTimeoutMilliseconds: 1_000)]
    private static partial Regex Field();
}
