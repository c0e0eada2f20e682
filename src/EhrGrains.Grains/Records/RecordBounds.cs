namespace EhrGrains.Grains.Records;

/// <summary>How much of records is kept in memory.</summary>
/// <param name="BytesMax">
/// Bytes of resources that one activation holds; of a larger record the largest types are read when they are needed. 1 MB and more; default
/// 32 MB, some 30,000 resources.
/// </param>
/// <param name="CopiedBytesMax">Bytes of all records of a silo that nobody but the copying of their patients has asked for.</param>
internal sealed record RecordBounds(long BytesMax = 32L * 1024 * 1024, long CopiedBytesMax = 64L * 1024 * 1024);
