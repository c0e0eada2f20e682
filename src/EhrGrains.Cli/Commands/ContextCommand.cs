using System.CommandLine;
using EhrGrains.Cli.Contexts;
using EhrGrains.Cli.Results;
using EhrGrains.Contracts;

namespace EhrGrains.Cli.Commands;

/// <summary><c>ehrgrains context</c>: how a cluster is reached. Works without one.</summary>
internal static class ContextCommand
{
    internal static Command Build() => new("context", "How a cluster is reached, and as which app.") { Create() };

    private static Verb Create()
    {
        var app = Parameters.App();
        var url = Parameters.Text("--url", "URL", "The HTTP gateway, for example https://ehr.example.com.", isRequired: true);
        var gateway = Parameters.Text("--gateway", "HOST:PORT", "Orleans gateways, several with commas between.", isRequired: true);
        var cluster = Parameters.Text("--cluster-id", "ID", "The cluster's id (EhrGrains:Cluster:Id).", isRequired: true);
        var service = Parameters.Text("--service-id", "ID", "The service id (EhrGrains:Cluster:Service).", isRequired: true);
        var certificate = Parameters.Text("--tls-certificate", "FILE", "PEM certificate for the Orleans gateways.");
        var key = Parameters.Text("--tls-key", "FILE", "Its private key.");
        var authority = Parameters.Text("--tls-authority", "FILE", "PEM certificates trusted as issuers of the silos' ones.");
        var file = Parameters.Text("--out", "FILE", "Context file to write, readable by its owner only.", isRequired: true);
        var keySet = Parameters.Text("--jwks-out", "FILE", "Where to write the public keys (EhrGrains:Bootstrap:JwksFile).", isRequired: true);
        return new Verb("create", "Makes the key and context of a new cluster's first administrator, and the public keys that its silos are given.")
        {
            app, url, gateway, cluster, service, certificate, key, authority, file, keySet,
        }.Answers(
            async run =>
            {
                string?[] tls = [run.Get(certificate), run.Get(key), run.Get(authority)];
                if (tls.Any(path => path is null) && tls.Any(path => path is not null))
                {
                    throw new ProblemException(ProblemKind.Invalid, "EHR-CLI-120", "--tls-…", "Give certificate, key and authority, or none of them.");
                }

                var place = new ClusterContext
                {
                    Url = Uri.TryCreate(run.Get(url), UriKind.Absolute, out var parsed)
                        ? parsed
                        : throw new ProblemException(ProblemKind.Invalid, "EHR-CLI-121", "--url", "Must be an absolute URL."),
                    Gateway = run.Get(gateway),
                    ClusterId = run.Get(cluster),
                    ServiceId = run.Get(service),
                    ClientId = run.Get(app).Value,
                    Tls = tls[0] is null ? null : new ContextTls(Path.GetFullPath(tls[0]!), Path.GetFullPath(tls[1]!), Path.GetFullPath(tls[2]!)),
                };
                var (context, keys) = place.WithNewKey(run.Get(app));
                await context.WriteNewAsync(run.Get(file), run.Stopping);
                await File.WriteAllTextAsync(run.Get(keySet), keys, run.Stopping);
                return new CreatedContext(run.Get(file), run.Get(keySet));
            },
            created => Tables.Facts(("context file", created.ContextFile), ("public keys", created.JwksFile)));
    }
}

/// <summary>A new administrator's files.</summary>
internal sealed record CreatedContext(string ContextFile, string JwksFile);
