using System.Buffers;
using System.Buffers.Binary;
using System.Data.Common;
using System.Security.Cryptography;
using System.Text;
using EhrGrains.Contracts.Audit;
using EhrGrains.Storage.Databases;

namespace EhrGrains.Storage.Audit;

/// <summary>One row of <c>audit_entry</c>, and its hash.</summary>
internal sealed record AuditRow
{
    /// <summary>Length of one blind index in <see cref="Patients"/>.</summary>
    internal const int PatientLength = 16;

    internal const string Columns =
        "seq, at_us, app, action, resource_type, outcome, intent, trace_id, source, entries, patients, hash";

    internal long Seq { get; init; }

    internal long AtMicroseconds { get; init; }

    internal required string App { get; init; }

    internal required string Action { get; init; }

    internal string? ResourceType { get; init; }

    internal required string Outcome { get; init; }

    internal long? Intent { get; init; }

    internal string? TraceId { get; init; }

    internal string? Source { get; init; }

    internal long? Entries { get; init; }

    /// <summary>The patients' blind indexes, in order, without duplicates.</summary>
    internal required byte[] Patients { get; init; }

    internal byte[] Hash { get; init; } = [];

    internal static AuditRow Read(DbDataReader reader) => new()
    {
        Seq = reader.GetInt64(0),
        AtMicroseconds = reader.GetInt64(1),
        App = reader.GetString(2),
        Action = reader.GetString(3),
        ResourceType = Text(reader, 4),
        Outcome = reader.GetString(5),
        Intent = Number(reader, 6),
        TraceId = Text(reader, 7),
        Source = Text(reader, 8),
        Entries = Number(reader, 9),
        Patients = (byte[])reader.GetValue(10),
        Hash = (byte[])reader.GetValue(11),
    };

    internal Statement Insert(string tenant) => new Statement(
        $"INSERT INTO audit_entry (tenant_id, {Columns}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)")
        .With(tenant).With(Seq).With(AtMicroseconds).With(App).With(Action).With(ResourceType).With(Outcome).With(Intent)
        .With(TraceId).With(Source).With(Entries).With(Patients).With(Hash);

    internal AuditEntry ToEntry() => new()
    {
        Sequence = Seq,
        At = Microseconds.FromMicroseconds(AtMicroseconds),
        App = App,
        Action = Action,
        ResourceType = ResourceType,
        Outcome = Outcome,
        Intent = Intent,
        TraceId = TraceId,
    };

    /// <summary>The hash before the first row: each tenant's chain has a start of its own.</summary>
    internal static byte[] Genesis(string tenant) => SHA256.HashData(Encoding.UTF8.GetBytes($"ehrgrains.audit.1\0{tenant}"));

    /// <summary>
    /// SHA-256 over the previous hash and every column, each with its length (-1: null) or in eight bytes, so that no two rows
    /// have the same bytes.
    /// </summary>
    internal byte[] ComputeHash(ReadOnlySpan<byte> previous)
    {
        var buffer = new ArrayBufferWriter<byte>(256 + Patients.Length);
        Write(buffer, previous);
        Write(buffer, Seq);
        Write(buffer, AtMicroseconds);
        Write(buffer, App);
        Write(buffer, Action);
        Write(buffer, ResourceType);
        Write(buffer, Outcome);
        Write(buffer, Intent);
        Write(buffer, TraceId);
        Write(buffer, Source);
        Write(buffer, Entries);
        Write(buffer, Patients.AsSpan());
        return SHA256.HashData(buffer.WrittenSpan);
    }

    private static void Write(ArrayBufferWriter<byte> buffer, ReadOnlySpan<byte> value)
    {
        WriteLength(buffer, value.Length);
        buffer.Write(value);
    }

    private static void Write(ArrayBufferWriter<byte> buffer, string? value)
    {
        WriteLength(buffer, value is null ? -1 : Encoding.UTF8.GetByteCount(value));
        Encoding.UTF8.GetBytes(value, buffer);
    }

    private static void Write(ArrayBufferWriter<byte> buffer, long? value)
    {
        WriteLength(buffer, value is null ? -1 : sizeof(long));
        if (value is { } number)
        {
            BinaryPrimitives.WriteInt64BigEndian(buffer.GetSpan(sizeof(long)), number);
            buffer.Advance(sizeof(long));
        }
    }

    private static void WriteLength(ArrayBufferWriter<byte> buffer, int length)
    {
        BinaryPrimitives.WriteInt32BigEndian(buffer.GetSpan(sizeof(int)), length);
        buffer.Advance(sizeof(int));
    }

    private static string? Text(DbDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetString(column);

    private static long? Number(DbDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetInt64(column);
}
