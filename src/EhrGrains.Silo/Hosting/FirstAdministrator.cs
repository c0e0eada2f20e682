using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Grains.Callers;
using EhrGrains.Silo.Configuration;
using EhrGrains.Silo.Telemetry;
using Microsoft.IdentityModel.Tokens;

namespace EhrGrains.Silo.Hosting;

/// <summary>
/// Registers the first administrator, who registers everybody else. There is no default password: embedded mode makes a key
/// pair and leaves it in operator.json, a cluster is given the public keys.
/// </summary>
internal sealed class FirstAdministrator(SiloOptions options, IGrainFactory grains, CallerTickets tickets, ILogger<FirstAdministrator> log)
    : IHostedService
{
    private readonly string operatorFile = Path.Combine(options.DataDirectory, "operator.json");

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var app = AppId.Parse(options.Bootstrap.App, null);
        var isNew = options.Bootstrap.JwksFile is null && !File.Exists(operatorFile);
        var keys = options.Bootstrap.JwksFile is { } file ? await File.ReadAllTextAsync(file, cancellationToken) : WriteOperatorFile();
        using var system = tickets.EnterSystem();
        var grain = grains.GetGrain<IAppGrain>(GrainKeys.App(app));
        var spec = new AppSpec { App = app, DisplayName = "First administrator", Role = AppRole.Admin, JsonWebKeySet = keys };
        await grain.BootstrapAsync(spec, cancellationToken);
        if (isNew && (await grain.GetClientAsync(cancellationToken))?.Spec.JsonWebKeySet != keys)
        {
            File.Delete(operatorFile);
            throw new ProblemException(
                ProblemKind.Conflict, "EHR-CFG-002", "bootstrap",
                $"App '{app}' is registered with another key than the one that was in the lost operator.json. Put that file back, or set Bootstrap:App to a new name.");
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    // Written anew on each start, because ports may be others; the key stays. Returns the public keys.
    private string WriteOperatorFile()
    {
        var key = ReadKey() ?? NewKey();
        var context = new JsonObject
        {
            ["url"] = options.Http.PublicUrl ?? options.Http.Url,
            ["gateway"] = $"{options.Silo.Address}:{options.Silo.GatewayPort}",
            ["clusterId"] = options.Cluster.Id,
            ["serviceId"] = options.Cluster.Service,
            ["clientId"] = options.Bootstrap.App,
            ["privateJwk"] = key.DeepClone(),
            ["tls"] = null,
        };
        var draft = operatorFile + ".new";
        File.Delete(draft);
        var ownerOnly = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            ownerOnly.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        using (var writer = new StreamWriter(draft, ownerOnly))
        {
            writer.Write(context.ToJsonString(new JsonSerializerOptions { WriteIndented = true }));
        }

        File.Move(draft, operatorFile, overwrite: true);
        log.OperatorFileWritten(options.Bootstrap.App, operatorFile);
        key.Remove("d");
        return new JsonObject { ["keys"] = new JsonArray(key) }.ToJsonString();
    }

    private JsonObject? ReadKey() =>
        File.Exists(operatorFile) ? (JsonObject?)JsonNode.Parse(File.ReadAllText(operatorFile))?["privateJwk"]?.DeepClone() : null;

    // ES384: SMART App Launch 2.2 asks servers for it, and the thumbprint (RFC 7638) is a name that nobody has to think up.
    private static JsonObject NewKey()
    {
        using var pair = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        var jwk = JsonWebKeyConverter.ConvertFromECDsaSecurityKey(new ECDsaSecurityKey(pair));
        return new JsonObject
        {
            ["kty"] = jwk.Kty,
            ["crv"] = jwk.Crv,
            ["x"] = jwk.X,
            ["y"] = jwk.Y,
            ["d"] = jwk.D,
            ["kid"] = Base64UrlEncoder.Encode(jwk.ComputeJwkThumbprint()),
            ["alg"] = SecurityAlgorithms.EcdsaSha384,
            ["use"] = "sig",
        };
    }
}

internal static class FirstAdministratorServices
{
    internal static void AddFirstAdministrator(this IServiceCollection services) => services.AddHostedService<FirstAdministrator>();
}
