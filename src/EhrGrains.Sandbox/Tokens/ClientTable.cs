using System.Collections.Concurrent;

namespace EhrGrains.Sandbox.Tokens;

/// <summary>A client as it is registered at a hospital: the body of <c>PUT /_sandbox/client</c>.</summary>
internal sealed record Client
{
    public required string ClientId { get; init; }

    /// <summary>Where its public keys are.</summary>
    public string? JwksUrl { get; init; }

    /// <summary>Its secret, where the vendor takes secrets.</summary>
    public string? ClientSecret { get; init; }

    /// <summary>The scopes it may have; null: reading every type that the hospital has.</summary>
    public IReadOnlyList<string>? Scopes { get; init; }
}

/// <summary>The clients of one hospital.</summary>
internal sealed class ClientTable(TimeProvider time, HttpMessageInvoker http, TimeSpan betweenKeyFetches)
{
    public const int ClientsMax = 100;

    private readonly ConcurrentDictionary<string, (Client Client, ClientKeys? Keys)> clients = new(StringComparer.Ordinal);

    /// <summary>Registers a client, or registers it anew; false when the table is full.</summary>
    public bool Register(Client client)
    {
        if (clients.Count >= ClientsMax && !clients.ContainsKey(client.ClientId))
        {
            return false;
        }

        clients[client.ClientId] = (client, client.JwksUrl is null ? null : new ClientKeys(new Uri(client.JwksUrl), time, http, betweenKeyFetches));
        return true;
    }

    public (Client Client, ClientKeys? Keys)? Find(string? clientId) =>
        clientId is not null && clients.TryGetValue(clientId, out var found) ? found : null;
}
