using System.Text.RegularExpressions;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Grains.Tenants;

/// <summary>What the vendor profile asks of a tenant's connection. Pure.</summary>
internal static partial class VendorRules
{
    internal static IReadOnlyList<Problem> Check(TenantSpec spec)
    {
        var connection = spec.Connection;
        VendorProfile? profile;
        try
        {
            profile = VendorProfiles.For(connection);
        }
        catch (ProblemException e)
        {
            return e.Problems;
        }

        if (profile is null)
        {
            var known = string.Join(", ", VendorProfiles.All.Select(known => known.Id));
            return [new("EHR-TEN-008", "connection.vendor", $"There is no such vendor profile. Known: {known}.")];
        }

        var problems = new List<Problem>();
        if (!profile.Auth.Methods.Contains(MethodName(connection.AuthMethod), StringComparer.Ordinal))
        {
            problems.Add(new(
                "EHR-TEN-012",
                "connection.authMethod",
                $"{profile.Name} takes {string.Join(", ", profile.Auth.Methods)} at its token endpoint."));
        }

        problems.AddRange(profile.Search.Always.Values
            .SelectMany(template => Placeholder().Matches(template))
            .Select(match => match.Groups["name"].Value)
            .Distinct(StringComparer.Ordinal)
            .Where(setting => !connection.Settings.ContainsKey(setting))
            .Select(setting => new Problem("EHR-TEN-009", $"connection.settings.{setting}", $"{profile.Name} needs this setting.")));
        if (spec.Environment == TenantEnvironment.Production && IsMore(spec.Budget, profile.Limits))
        {
            problems.Add(new(
                "EHR-TEN-070",
                "budget.requests",
                $"{profile.Name} publishes {profile.Limits.Requests} requests in {profile.Limits.WindowSeconds} s. "
                + "If this site's contract allows more, state it under connection.profile.limits."));
        }

        return problems;
    }

    private static bool IsMore(BudgetSpec budget, LimitRules limits) =>
        (limits.Requests > 0 && (long)budget.Requests * limits.WindowSeconds > (long)limits.Requests * budget.WindowSeconds)
        || (limits.DailyQuota > 0 && budget.DailyQuota > limits.DailyQuota);

    /// <summary>The name of a method in OAuth 2.0 metadata (RFC 8414 §2).</summary>
    internal static string MethodName(ClientAuthMethod method) => method switch
    {
        ClientAuthMethod.ClientSecretBasic => "client_secret_basic",
        ClientAuthMethod.ClientSecretPost => "client_secret_post",
        _ => "private_key_jwt",
    };

    [GeneratedRegex(@"\{(?<name>[A-Za-z0-9_-]+)\}", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1_000)]
    private static partial Regex Placeholder();
}
