using System.Text;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Keys;
using EhrGrains.Storage.Sync;

namespace EhrGrains.Grains.Sync;

/// <summary>Seals what a cursor knows, and opens it: ids of resources and links of hospitals are not for the database to read (I6).</summary>
internal sealed class CursorSeals(KeyRing keys)
{
    internal async Task<OpenCursor> OpenAsync(TenantId tenant, PatientId patient, StoredCursor cursor, CancellationToken cancellationToken)
    {
        var type = cursor.Status.Type;
        var seen = new byte[cursor.Seen.Count][];
        for (var i = 0; i < seen.Length; i++)
        {
            seen[i] = await OpenAsync(tenant, cursor.Seen[i], Place(patient, type, "seen"), cancellationToken);
        }

        return new OpenCursor(
            cursor.Status,
            cursor.Version,
            CursorPosition.Read(cursor.Position is null ? null : await OpenAsync(tenant, cursor.Position, Place(patient, type, "position"), cancellationToken)),
            KnownResources.Read(cursor.Known is null ? null : await OpenAsync(tenant, cursor.Known, Place(patient, type, "known"), cancellationToken)),
            seen);
    }

    internal async Task<CursorRow> SealAsync(TenantId tenant, PatientId patient, CursorDelta delta, CancellationToken cancellationToken)
    {
        return new CursorRow
        {
            Status = delta.Status,
            Version = delta.Version,
            Position = await SealAsync(delta.Position, "position"),
            Known = await SealAsync(delta.Known, "known"),
            Seen = await SealAsync(delta.Seen, "seen"),
            ForgetSeen = delta.ForgetSeen,
        };

        async ValueTask<byte[]?> SealAsync(byte[]? plain, string part) => plain is null
            ? null
            : await keys.SealAsync(tenant.Value, KeyClass.Sync, plain, Place(patient, delta.Status.Type, part), cancellationToken);
    }

    private async ValueTask<byte[]> OpenAsync(TenantId tenant, byte[] sealedBytes, byte[] place, CancellationToken cancellationToken) =>
        await keys.OpenAsync(tenant.Value, KeyClass.Sync, sealedBytes, place, cancellationToken);

    private static byte[] Place(PatientId patient, string type, string part) => Encoding.UTF8.GetBytes($"sync\0{patient}\0{type}\0{part}");
}
