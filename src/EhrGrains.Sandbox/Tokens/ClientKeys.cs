using System.Buffers;
using System.Net.Http.Headers;
using Microsoft.IdentityModel.Tokens;

namespace EhrGrains.Sandbox.Tokens;

/// <summary>
/// The public keys of one client, fetched from its JWKS URL. Kept no longer than the client's Cache-Control allows (SMART App
/// Launch 2.2, client-confidential-asymmetric); an unknown key id makes us look again, at most once in <paramref name="betweenFetches"/>.
/// </summary>
internal sealed class ClientKeys(Uri url, TimeProvider time, HttpMessageInvoker http, TimeSpan betweenFetches) : IDisposable
{
    private const int BytesMax = 65_536;
    private static readonly TimeSpan FetchTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan KeptByDefault = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan KeptMax = TimeSpan.FromHours(24);

    private readonly SemaphoreSlim fetching = new(1, 1);
    private JsonWebKeySet keys = new();
    private DateTimeOffset fetchedAt = DateTimeOffset.MinValue;
    private DateTimeOffset keptUntil = DateTimeOffset.MinValue;

    /// <summary>Why there may be no keys; null when the last fetch succeeded.</summary>
    public string? Trouble { get; private set; }

    /// <summary>The one key with this id that can carry the algorithm; null when there is none, or more than one.</summary>
    public async Task<JsonWebKey?> FindAsync(string keyId, string algorithm, CancellationToken cancellationToken)
    {
        await fetching.WaitAsync(cancellationToken);
        try
        {
            var now = time.GetUtcNow();
            var isStale = now >= keptUntil;
            if (isStale)
            {
                keys = new JsonWebKeySet();
            }

            if ((isStale || Select(keyId, algorithm) is null) && now - fetchedAt >= betweenFetches)
            {
                fetchedAt = now;
                await FetchAsync(cancellationToken);
            }

            return Select(keyId, algorithm);
        }
        finally
        {
            fetching.Release();
        }
    }

    public void Dispose() => fetching.Dispose();

    private JsonWebKey? Select(string keyId, string algorithm)
    {
        var keyType = algorithm.StartsWith("ES", StringComparison.Ordinal) ? "EC" : "RSA";
        return keys.Keys.Where(key => key.Kid == keyId).ToArray() is [var only] && only.Kty == keyType ? only : null;
    }

    // A client whose keys cannot be fetched is a client without keys: the assertion is refused.
    private async Task FetchAsync(CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(FetchTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, url);
            request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
            using var response = await http.SendAsync(request, either.Token);
            Trouble = response.IsSuccessStatusCode ? null : $"{url} answered {(int)response.StatusCode}.";
            if (response.IsSuccessStatusCode)
            {
                keys = new JsonWebKeySet(System.Text.Encoding.UTF8.GetString(await ReadAsync(response, either.Token)));
                keptUntil = fetchedAt + KeptFor(response.Headers.CacheControl);
            }
        }
        catch (Exception e) when (e is HttpRequestException or IOException or ArgumentException or System.Text.Json.JsonException
            || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            keys = new JsonWebKeySet();
            keptUntil = DateTimeOffset.MinValue;
            Trouble = $"{url} could not be fetched, or is no key set.";
        }
    }

    private static async Task<byte[]> ReadAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        var buffer = ArrayPool<byte>.Shared.Rent(BytesMax + 1);
        try
        {
            var length = await stream.ReadAtLeastAsync(buffer, BytesMax + 1, throwOnEndOfStream: false, cancellationToken);
            return length > BytesMax ? throw new IOException("The key set is too large.") : buffer[..length];
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static TimeSpan KeptFor(CacheControlHeaderValue? cache)
    {
        if (cache is { NoStore: true } or { NoCache: true })
        {
            return TimeSpan.Zero;
        }

        var age = cache?.MaxAge ?? KeptByDefault;
        return age < KeptMax ? age : KeptMax;
    }
}
