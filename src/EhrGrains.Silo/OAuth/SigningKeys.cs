using System.Security.Cryptography;
using EhrGrains.Silo.Configuration;
using EhrGrains.Silo.Telemetry;
using EhrGrains.Storage.SigningKeys;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Primitives;
using Microsoft.IdentityModel.Tokens;
using OpenIddict.Server;

namespace EhrGrains.Silo.OAuth;

/// <summary>
/// Rotates the cluster's signing keys and gives them to OpenIddict. All silos read the same table, so that a token of one is good
/// at all.
/// </summary>
internal sealed class SigningKeys(SigningKeyTable table, SiloOptions options, TimeProvider time, ILogger<SigningKeys> log)
    : BackgroundService, IConfigureOptions<OpenIddictServerOptions>, IOptionsChangeTokenSource<OpenIddictServerOptions>
{
    private static readonly TimeSpan RefreshPeriod = TimeSpan.FromMinutes(1);

    private CancellationTokenSource changed = new();
    private volatile SigningCredentials[] credentials = [];
    private volatile string currentKeyId = "";

    string IOptionsChangeTokenSource<OpenIddictServerOptions>.Name => Options.DefaultName;

    /// <summary>The id of the key that tokens are signed with now.</summary>
    internal string CurrentKeyId => currentKeyId;

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await RefreshAsync(cancellationToken);
        await base.StartAsync(cancellationToken);
    }

    public void Configure(OpenIddictServerOptions options) => options.SigningCredentials.AddRange(credentials);

    public IChangeToken GetChangeToken() => new CancellationChangeToken(changed.Token);

    public override void Dispose()
    {
        changed.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(RefreshPeriod, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await RefreshAsync(stoppingToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                log.SigningKeysNotRefreshed(e);
            }
        }
    }

    private async Task RefreshAsync(CancellationToken cancellationToken)
    {
        var keys = await table.RotateAsync(TimeSpan.FromDays(options.Auth.SigningKeyDays), cancellationToken);

        // The oldest when all are too young: the first one, made by a silo whose clock is ahead.
        currentKeyId = (keys.FirstOrDefault(key => key.SignsFrom <= time.GetUtcNow()) ?? keys[^1]).KeyId;
        if (keys.Select(key => key.KeyId).SequenceEqual(credentials.Select(known => known.Key.KeyId)))
        {
            return;
        }

        log.SigningKeysPublished(keys.Count, keys[0].KeyId, keys[0].SignsFrom);
        credentials = [.. keys.Select(ToCredentials)];
        var previous = Interlocked.Exchange(ref changed, new CancellationTokenSource());
        await previous.CancelAsync();
        previous.Dispose();
    }

    private static SigningCredentials ToCredentials(SigningKey key)
    {
        var ecdsa = ECDsa.Create();
        ecdsa.ImportPkcs8PrivateKey(key.Pkcs8, out _);
        var algorithm = ecdsa.KeySize == 256 ? SecurityAlgorithms.EcdsaSha256 : SecurityAlgorithms.EcdsaSha384;
        return new SigningCredentials(new ECDsaSecurityKey(ecdsa) { KeyId = key.KeyId }, algorithm);
    }
}

/// <summary>
/// Signs with the current key. The options hold every published key; a new one is published for a while before the first token
/// is signed with it.
/// </summary>
internal sealed class CurrentKeyHandler(SigningKeys keys) : IOpenIddictServerHandler<OpenIddictServerEvents.GenerateTokenContext>
{
    public ValueTask HandleAsync(OpenIddictServerEvents.GenerateTokenContext context)
    {
        context.SigningCredentials = context.Options.SigningCredentials.Find(credentials => credentials.Key.KeyId == keys.CurrentKeyId)
            ?? context.SigningCredentials;
        return ValueTask.CompletedTask;
    }
}
