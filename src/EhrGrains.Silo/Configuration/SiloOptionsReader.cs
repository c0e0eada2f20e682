using System.ComponentModel;
using System.Net;
using System.Net.Sockets;
using EhrGrains.Storage.Databases;
using Microsoft.Extensions.Options;

namespace EhrGrains.Silo.Configuration;

/// <summary>Reads <see cref="SiloOptions"/>: binds, fills in what the mode implies, checks, and names every bad key at once.</summary>
internal static class SiloOptionsReader
{
    /// <exception cref="OptionsValidationException">Some settings are unknown, unreadable or wrong; all of them are named.</exception>
    internal static SiloOptions Read(IConfiguration configuration)
    {
        var section = configuration.GetSection(SiloOptions.Section);
        var failures = new List<string>();
        var readable = new Dictionary<string, string?>();
        foreach (var (key, value) in section.AsEnumerable(makePathsRelative: true))
        {
            if (value is null)
            {
                continue;
            }

            if (FailureOf(key, value) is { } failure)
            {
                failures.Add(failure);
            }
            else
            {
                readable.Add(key, value);
            }
        }

        var options = new ConfigurationBuilder().AddInMemoryCollection(readable).Build().Get<SiloOptions>() ?? new SiloOptions();
        FillIn(options);
        foreach (var rule in new IValidateOptions<SiloOptions>[] { new SiloOptionsValidator(), new SiloOptionsRules() })
        {
            failures.AddRange(rule.Validate(Options.DefaultName, options).Failures ?? []);
        }

        if (failures.Count > 0)
        {
            throw new OptionsValidationException(SiloOptions.Section, typeof(SiloOptions), failures.Order(StringComparer.Ordinal));
        }

        TakeFreePorts(options);
        return options;
    }

    // A misspelt key would silently leave its default in force, so it stops the start as well.
    private static string? FailureOf(string key, string value)
    {
        var type = typeof(SiloOptions);
        foreach (var part in key.Split(':'))
        {
            if (typeof(IEnumerable<string>).IsAssignableFrom(type) && type != typeof(string) && int.TryParse(part, out _))
            {
                type = typeof(string);
                continue;
            }

            var property = type.GetProperties().FirstOrDefault(p => p.Name.Equals(part, StringComparison.OrdinalIgnoreCase));
            if (property is null)
            {
                return $"{key} is not a setting.";
            }

            type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
        }

        if (type != typeof(string) && (type.IsClass || type.IsInterface || !TypeDescriptor.GetConverter(type).IsValid(value)))
        {
            return type.IsEnum
                ? $"{key} must be one of {string.Join(", ", Enum.GetNames(type))}."
                : $"{key} must be {(type.IsClass || type.IsInterface ? "a section" : type == typeof(TimeSpan) ? "a duration such as 00:00:30" : "a number")}.";
        }

        return null;
    }

    private static void FillIn(SiloOptions options)
    {
        var embedded = options.Mode == SiloMode.Embedded;
        options.Silo.Address ??= Variable("POD_IP") ?? "127.0.0.1";
        options.Cluster.Id ??= Variable("ORLEANS_CLUSTER_ID") ?? (embedded ? "ehrgrains" : null);
        options.Cluster.Service ??= Variable("ORLEANS_SERVICE_ID") ?? (embedded ? "ehrgrains" : null);
        options.Http.DrainSeconds ??= embedded ? 0 : 5;
        options.Http.PublicUrl = options.Http.PublicUrl?.TrimEnd('/');
        options.Database.Kind ??= embedded ? DatabaseKind.Sqlite : DatabaseKind.PostgreSql;
        if (embedded)
        {
            options.RootKeyFile ??= Path.Combine(options.DataDirectory, "root.key");
            options.Database.ConnectionString ??= options.Database.Kind == DatabaseKind.Sqlite
                ? $"Data Source={Path.Combine(options.DataDirectory, "ehrgrains.db")}"
                : null;
        }

        options.Auth.Audience = options.Auth.Audience.Length > 0 ? options.Auth.Audience : "ehrgrains";
    }

    private static string? Variable(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;

    // Orleans has no "any free port", and operator.json and the issuer must name the ports before anything listens.
    private static void TakeFreePorts(SiloOptions options)
    {
        var address = IPAddress.Parse(options.Silo.Address!);
        options.Silo.Port = options.Silo.Port == 0 ? FreePort(address) : options.Silo.Port;
        options.Silo.GatewayPort = options.Silo.GatewayPort == 0 ? FreePort(address) : options.Silo.GatewayPort;
        options.Mllp.Port = options.Mllp.Port == 0 ? FreePort(IPAddress.Parse(options.Mllp.PlainAddress)) : options.Mllp.Port;
        options.Mllp.TlsPort = options.Mllp.TlsPort == 0 ? FreePort(IPAddress.Parse(options.Mllp.Address)) : options.Mllp.TlsPort;
        var binding = BindingAddress.Parse(options.Http.Url);
        if (binding.Port == 0)
        {
            options.Http.Url = $"{binding.Scheme}://{binding.Host}:{FreePort(IPAddress.Loopback)}";
        }

        // OpenIddict writes an issuer without a path with a slash after it; both sides must have it the same (RFC 9207 §2.4).
        options.Auth.Issuer = new Uri(options.Auth.Issuer.Length > 0 ? options.Auth.Issuer : options.Http.PublicUrl ?? options.Http.Url).AbsoluteUri;
    }

    private static int FreePort(IPAddress address)
    {
        using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(address, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
