using System.Net;
using EhrGrains.Contracts.Apps;
using EhrGrains.Grains.Webhooks;
using EhrGrains.Storage.Databases;
using Microsoft.Extensions.Options;

namespace EhrGrains.Silo.Configuration;

/// <summary>The rules that hold between settings. A silo that would be open, weak or wrong does not start.</summary>
internal sealed class SiloOptionsRules : IValidateOptions<SiloOptions>
{
    // Each of these makes the runtime or the exporter write full URLs, in which ids and names of patients can be.
    private static readonly string[] UnsafeVariables =
    [
        "DOTNET_SYSTEM_NET_HTTP_DISABLEURIREDACTION",
        "OTEL_DOTNET_EXPERIMENTAL_ASPNETCORE_DISABLE_URL_QUERY_REDACTION",
        "OTEL_DOTNET_EXPERIMENTAL_HTTPCLIENT_DISABLE_URL_QUERY_REDACTION",
    ];

    public ValidateOptionsResult Validate(string? name, SiloOptions options)
    {
        string[] failures =
        [
            .. ByMode(options), .. Http(options.Http), .. Endpoints(options), .. Tls(options.Tls), .. Mllp(options.Mllp), .. Auth(options),
            .. Webhooks(options.Webhooks), .. Environment(),
        ];
        return failures.Length == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(failures);
    }

    private static IEnumerable<string> Webhooks(WebhookOptions webhooks)
    {
        if (!webhooks.PrivateNetworks.All(network => IPNetwork.TryParse(network, out _)))
        {
            yield return "Webhooks:PrivateNetworks must be CIDR ranges, for example 10.20.0.0/16.";
        }

        if (webhooks.TrustedCertificates is { } file && !File.Exists(file))
        {
            yield return "Webhooks:TrustedCertificates names a file that does not exist.";
        }
    }

    private static IEnumerable<string> ByMode(SiloOptions options)
    {
        if (options.Mode == SiloMode.Cluster)
        {
            if (options.Database.Kind != DatabaseKind.PostgreSql)
            {
                yield return "Database:Kind must be PostgreSql when Mode is Cluster.";
            }

            if (string.IsNullOrWhiteSpace(options.RootKeyFile))
            {
                yield return "RootKeyFile is required when Mode is Cluster: every silo opens the same sealed data.";
            }

            if (string.IsNullOrWhiteSpace(options.Bootstrap.JwksFile))
            {
                yield return "Bootstrap:JwksFile is required when Mode is Cluster: the public keys of the first administrator.";
            }

            if (options.Auth.Issuer.Length == 0 && options.Http.PublicUrl is null)
            {
                yield return "Auth:Issuer or Http:PublicUrl is required when Mode is Cluster: all silos issue tokens under one name.";
            }
        }

        if (string.IsNullOrWhiteSpace(options.Database.ConnectionString))
        {
            yield return "Database:ConnectionString is required when Mode is Cluster.";
        }

        if (options.Bootstrap.JwksFile is { } jwks && !File.Exists(jwks))
        {
            yield return "Bootstrap:JwksFile names a file that does not exist.";
        }

        if (!AppId.TryParse(options.Bootstrap.App, out _))
        {
            yield return "Bootstrap:App must be an app id: 1 to 63 characters a-z, 0-9 and '-', starting with a letter.";
        }

        if (string.IsNullOrWhiteSpace(options.Cluster.Id))
        {
            yield return "Cluster:Id (or ORLEANS_CLUSTER_ID) is required when Mode is Cluster.";
        }

        if (string.IsNullOrWhiteSpace(options.Cluster.Service))
        {
            yield return "Cluster:Service (or ORLEANS_SERVICE_ID) is required when Mode is Cluster.";
        }
    }

    private static IEnumerable<string> Http(HttpOptions http)
    {
        if (!TryParseBinding(http.Url, out var binding))
        {
            yield return "Http:Url must be an http or https URL to listen on, for example http://127.0.0.1:8080.";
            yield break;
        }

        var publicUrl = http.PublicUrl is { } text && Uri.TryCreate(text, UriKind.Absolute, out var uri) ? uri : null;
        if (http.PublicUrl is not null && (publicUrl is null || publicUrl.Scheme is not ("http" or "https") || publicUrl.Query.Length > 0))
        {
            yield return "Http:PublicUrl must be an absolute http or https URL without a query.";
        }
        else if (publicUrl is { Scheme: "http", IsLoopback: false })
        {
            yield return "Http:PublicUrl must be https: clients send bearer tokens to it.";
        }
        else if (!IsLoopback(binding.Host) && publicUrl is null)
        {
            yield return "Http:PublicUrl is required when Http:Url listens on more than loopback: the https URL that clients reach this silo at.";
        }
    }

    private static IEnumerable<string> Endpoints(SiloOptions options)
    {
        if (!IPAddress.TryParse(options.Silo.Address, out var address))
        {
            yield return "Silo:Address must be an IP address.";
        }
        else if (options.Mode == SiloMode.Embedded && !IPAddress.IsLoopback(address))
        {
            yield return "Silo:Address must be a loopback address when Mode is Embedded.";
        }
        else if (!IPAddress.IsLoopback(address) && !options.Tls.IsSet)
        {
            yield return "Tls:Certificate, Tls:Key and Tls:Authority are required when Silo:Address is not loopback: the Orleans ports authenticate nobody by themselves.";
        }

        if (options.Silo.Port == options.Silo.GatewayPort && options.Silo.Port != 0)
        {
            yield return "Silo:Port and Silo:GatewayPort must differ.";
        }
    }

    private static IEnumerable<string> Tls(TlsOptions tls)
    {
        (string Name, string? Path)[] files = [("Certificate", tls.Certificate), ("Key", tls.Key), ("Authority", tls.Authority)];
        var given = files.Count(file => !string.IsNullOrWhiteSpace(file.Path));
        foreach (var (name, path) in files)
        {
            if (given > 0 && string.IsNullOrWhiteSpace(path))
            {
                yield return $"Tls:{name} is required when the other Tls settings are set.";
            }
            else if (!string.IsNullOrWhiteSpace(path) && !File.Exists(path))
            {
                yield return $"Tls:{name} names a file that does not exist.";
            }
        }
    }

    private static IEnumerable<string> Mllp(MllpListenerOptions mllp)
    {
        foreach (var (name, address) in new[] { ("Address", mllp.Address), ("PlainAddress", mllp.PlainAddress) })
        {
            if (!IPAddress.TryParse(address, out _))
            {
                yield return $"Mllp:{name} must be an IP address.";
            }
        }

        if (mllp.HasTls != !string.IsNullOrWhiteSpace(mllp.Key))
        {
            yield return "Mllp:Certificate and Mllp:Key are given together.";
        }

        if (!string.IsNullOrWhiteSpace(mllp.ClientAuthorities) && !mllp.HasTls)
        {
            yield return "Mllp:ClientAuthorities needs Mllp:Certificate and Mllp:Key: without TLS no client shows a certificate.";
        }

        foreach (var (name, path) in new[] { ("Certificate", mllp.Certificate), ("Key", mllp.Key), ("ClientAuthorities", mllp.ClientAuthorities) })
        {
            if (!string.IsNullOrWhiteSpace(path) && !File.Exists(path))
            {
                yield return $"Mllp:{name} names a file that does not exist.";
            }
        }

        if (mllp.HasTls && mllp.Port == mllp.TlsPort && mllp.Port != 0)
        {
            yield return "Mllp:Port and Mllp:TlsPort must differ.";
        }
    }

    private static IEnumerable<string> Auth(SiloOptions options)
    {
        foreach (var (name, text) in new[] { ("Issuer", options.Auth.Issuer), ("ExternalIssuer", options.Auth.ExternalIssuer) })
        {
            if (string.IsNullOrEmpty(text))
            {
                continue;
            }

            if (!Uri.TryCreate(text, UriKind.Absolute, out var issuer) || issuer.Scheme is not ("https" or "http")
                || issuer is { Scheme: "http", IsLoopback: false } || issuer.Query.Length > 0 || issuer.Fragment.Length > 0)
            {
                yield return $"Auth:{name} must be an https URL without query or fragment.";
            }
        }

        if (string.IsNullOrWhiteSpace(options.Auth.Audience))
        {
            yield return "Auth:Audience must not be empty.";
        }
    }

    private static IEnumerable<string> Environment() =>
        from variable in UnsafeVariables
        where System.Environment.GetEnvironmentVariable(variable) is { Length: > 0 }
        select $"The environment variable {variable} must not be set: it writes URLs, which can hold patient data, to telemetry.";

    internal static bool IsLoopback(string host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || (IPAddress.TryParse(host.Trim('[', ']'), out var ip) && IPAddress.IsLoopback(ip));

    private static bool TryParseBinding(string url, out BindingAddress binding)
    {
        try
        {
            binding = BindingAddress.Parse(url);
            return binding.Scheme is "http" or "https";
        }
        catch (FormatException)
        {
            binding = null!;
            return false;
        }
    }
}
