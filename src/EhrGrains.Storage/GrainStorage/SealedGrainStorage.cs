using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using EhrGrains.Contracts;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Keys;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Configuration;
using Orleans.Serialization;
using Orleans.Serialization.Serializers;
using Orleans.Storage;

namespace EhrGrains.Storage.GrainStorage;

/// <summary>
/// Orleans' ADO.NET grain storage with three things put right. The state is sealed under its tenant's key, bound to the grain's
/// type, key, state name and row version, so that a row copied to another key or put back to an older version is refused. The
/// grain type is part of the stored state name, and the key gets a prefix that no number or GUID has: left alone, the provider
/// stores two types under one key together, and "00123" with "123".
/// </summary>
internal sealed partial class SealedGrainStorage : IGrainStorage, ILifecycleParticipant<ISiloLifecycle>
{
    private readonly AdoNetGrainStorage inner;
    private readonly KeyRing keys;
    private readonly Serializer serializer;
    private readonly IActivatorProvider activators;
    private readonly ILogger log;

    private SealedGrainStorage(
        AdoNetGrainStorage inner, KeyRing keys, Serializer serializer, IActivatorProvider activators, ILogger<SealedGrainStorage> log)
    {
        this.inner = inner;
        this.keys = keys;
        this.serializer = serializer;
        this.activators = activators;
        this.log = log;
    }

    internal static SealedGrainStorage Create(IServiceProvider services, string name)
    {
        var database = services.GetRequiredService<Database>();
        var options = new AdoNetGrainStorageOptions
        {
            Invariant = EhrGrainsStorage.Invariant(database.Kind),
            DataSource = database.DataSource,
            DeleteStateOnClear = true,
            GrainStorageSerializer = new SealedStateSerializer(),
        };
        return new SealedGrainStorage(
            ActivatorUtilities.CreateInstance<AdoNetGrainStorage>(services, Options.Create(options), name),
            services.GetRequiredService<KeyRing>(),
            services.GetRequiredService<Serializer>(),
            services.GetRequiredService<IActivatorProvider>(),
            services.GetRequiredService<ILogger<SealedGrainStorage>>());
    }

    public void Participate(ISiloLifecycle observer) => inner.Participate(observer);

    public Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) =>
        ReadStateAsync(stateName, grainId, grainState, CancellationToken.None);

    public async Task ReadStateAsync<T>(
        string stateName, GrainId grainId, IGrainState<T> grainState, CancellationToken cancellationToken)
    {
        var row = new Row(grainId, stateName);
        var stored = new GrainState<SealedState>();
        await inner.ReadStateAsync(row.Name, row.Key, stored, cancellationToken);
        if (stored.RecordExists)
        {
            try
            {
                var associatedData = row.AssociatedData(stored.ETag);
                var plaintext = await keys.OpenAsync(
                    row.Scope, KeyClass.GrainState, stored.State!.Bytes, associatedData, cancellationToken);
                grainState.State = serializer.Deserialize<T>(plaintext);
            }
            catch (CryptographicException)
            {
                LogRefused(log, row.Name, grainId);
                throw;
            }
        }
        else
        {
            grainState.State = activators.GetActivator<T>().Create();
        }

        grainState.ETag = stored.ETag;
        grainState.RecordExists = stored.RecordExists;
    }

    public Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) =>
        WriteStateAsync(stateName, grainId, grainState, CancellationToken.None);

    public Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState, CancellationToken cancellationToken)
    {
        // On the grain's turn, before anything is awaited: a reentrant grain may change its state meanwhile.
        var plaintext = serializer.SerializeToArray(grainState.State);
        return WriteAsync(new Row(grainId, stateName), plaintext, grainState, cancellationToken);
    }

    public Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) =>
        ClearStateAsync(stateName, grainId, grainState, CancellationToken.None);

    public async Task ClearStateAsync<T>(
        string stateName, GrainId grainId, IGrainState<T> grainState, CancellationToken cancellationToken)
    {
        var row = new Row(grainId, stateName);
        var stored = new GrainState<SealedState>(null, grainState.ETag) { RecordExists = grainState.RecordExists };
        await inner.ClearStateAsync(row.Name, row.Key, stored, cancellationToken);
        grainState.State = activators.GetActivator<T>().Create();
        grainState.ETag = stored.ETag;
        grainState.RecordExists = stored.RecordExists;
    }

    private async Task WriteAsync<T>(Row row, byte[] plaintext, IGrainState<T> grainState, CancellationToken cancellationToken)
    {
        // The row's version after this write: the statement adds one to the version that it replaces, and starts at 1.
        var next = grainState.ETag is { } etag ? int.Parse(etag, CultureInfo.InvariantCulture) + 1 : 1;
        var associatedData = row.AssociatedData(next.ToString(CultureInfo.InvariantCulture));
        var record = await keys.SealAsync(row.Scope, KeyClass.GrainState, plaintext, associatedData, cancellationToken);
        var stored = new GrainState<SealedState>(new SealedState { Bytes = record }, grainState.ETag)
        {
            RecordExists = grainState.RecordExists,
        };
        await inner.WriteStateAsync(row.Name, row.Key, stored, cancellationToken);
        grainState.ETag = stored.ETag;
        grainState.RecordExists = stored.RecordExists;
    }

    [LoggerMessage(6020, LogLevel.Error,
        "Refused the stored state {Name} of grain {GrainId}: it is not what was written there. Restore the row from a backup.")]
    private static partial void LogRefused(ILogger logger, string name, GrainId grainId);

    /// <summary>Where a state is stored.</summary>
    private readonly struct Row(GrainId grainId, string stateName)
    {
        internal string Name { get; } = $"{grainId.Type}/{stateName}";

        internal GrainId Key { get; } = GrainId.Create(grainId.Type, $"k|{grainId.Key}");

        internal string Scope { get; } =
            GrainKeys.TryGetTenant(grainId.Key.ToString()!, out var tenant) ? tenant.Value : KeyRing.ClusterScope;

        /// <summary>Name and version hold no NUL (a grain type cannot), so the parts cannot be divided in another way.</summary>
        internal byte[] AssociatedData(string? version) => Encoding.UTF8.GetBytes($"orleans_storage\0{Name}\0{version}\0{Key.Key}");
    }
}

/// <summary>What the provider stores: bytes that are sealed already.</summary>
internal sealed class SealedState
{
    internal byte[] Bytes { get; init; } = [];
}

/// <summary>Passes sealed bytes through.</summary>
internal sealed class SealedStateSerializer : IGrainStorageSerializer
{
    public BinaryData Serialize<T>(T? input) => new(((SealedState)(object)input!).Bytes);

    public T Deserialize<T>(BinaryData input) => (T)(object)new SealedState { Bytes = input.ToArray() };
}
