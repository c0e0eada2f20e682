namespace EhrGrains.Contracts.Tenants;

/// <summary>What a connection states in the words of its vendor profile: settings, and what differs from the profile at this site.</summary>
internal static class ConnectionSettingRules
{
    private const int SettingsMax = 32;
    private const int SettingLengthMax = 1_024;
    private const int ProfileLengthMax = 64 * 1024;

    internal static void Check(List<Problem> problems, ConnectionSpec connection)
    {
        // What it says is checked where the vendor profiles are.
        if (connection.Profile is { } profile && (profile.Length > ProfileLengthMax || string.IsNullOrWhiteSpace(profile)))
        {
            problems.Add(new("EHR-TEN-043", "connection.profile", "State what differs from the vendor profile in at most 64 KiB, or leave it out."));
        }

        var settings = connection.Settings ?? [];
        if (settings.Count > SettingsMax)
        {
            problems.Add(new("EHR-TEN-040", "connection.settings", "At most 32 settings."));
            return;
        }

        foreach (var (name, value) in settings)
        {
            if (name.Length is 0 or > 64 || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-'))
            {
                problems.Add(new(
                    "EHR-TEN-041", "connection.settings", "A setting's name has 1 to 64 characters: letters, digits, '_' and '-'."));
            }
            else if (!TenantSpecRules.IsPlainText(value, SettingLengthMax))
            {
                problems.Add(new(
                    "EHR-TEN-042", $"connection.settings.{name}", "A setting's value has 1 to 1,024 characters, no control characters."));
            }
        }
    }

    internal static void Flatten(Dictionary<string, string?> values, ConnectionSpec connection)
    {
        values["connection.profile"] = TenantSpecRules.Fingerprint(connection.Profile);
        foreach (var (name, value) in connection.Settings.OrderBy(setting => setting.Key, StringComparer.Ordinal))
        {
            values[$"connection.settings.{name}"] = value;
        }
    }
}
