namespace EhrGrains.Grains.Records;

/// <summary>How much of a record is kept in memory.</summary>
/// <param name="BytesMax">
/// Bytes of resources that one activation holds; of a larger record the largest types are read when they are needed. 1 MB and more; default
/// 32 MB, some 30,000 resources.
/// </param>
internal sealed record RecordBounds(long BytesMax = 32L * 1024 * 1024);
