using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EhrGrains.Hl7v2.Messages;

/// <summary>
/// Questions to 64 bytes at once, each answered by a bit a byte. Three forms, for machines with 64-, 32- and 16-byte vectors; the
/// compiler makes the loop over them for each.
/// </summary>
internal interface IByteBlock
{
    static abstract ulong Equal(ref byte at, byte value);

    static abstract ulong Below(ref byte at, byte limit);

    static abstract ulong High(ref byte at);
}

internal readonly struct ByteBlock512 : IByteBlock
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Equal(ref byte at, byte value) => Vector512.Equals(Vector512.LoadUnsafe(ref at), Vector512.Create(value)).ExtractMostSignificantBits();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Below(ref byte at, byte limit) => Vector512.LessThan(Vector512.LoadUnsafe(ref at), Vector512.Create(limit)).ExtractMostSignificantBits();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong High(ref byte at) => Vector512.LoadUnsafe(ref at).ExtractMostSignificantBits();
}

internal readonly struct ByteBlock256 : IByteBlock
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Equal(ref byte at, byte value) =>
        Join(Vector256.Equals(Low(ref at), Vector256.Create(value)), Vector256.Equals(Upper(ref at), Vector256.Create(value)));

    // Unsigned "less than" is no instruction of its own before AVX-512: the smaller of byte and limit − 1 is the byte itself.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Below(ref byte at, byte limit)
    {
        var greatest = Vector256.Create((byte)(limit - 1));
        return Join(Vector256.Equals(Vector256.Min(Low(ref at), greatest), Low(ref at)), Vector256.Equals(Vector256.Min(Upper(ref at), greatest), Upper(ref at)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong High(ref byte at) => Join(Low(ref at), Upper(ref at));

    private static Vector256<byte> Low(ref byte at) => Vector256.LoadUnsafe(ref at);

    private static Vector256<byte> Upper(ref byte at) => Vector256.LoadUnsafe(ref at, 32);

    private static ulong Join(Vector256<byte> low, Vector256<byte> upper) =>
        low.ExtractMostSignificantBits() | ((ulong)upper.ExtractMostSignificantBits() << 32);
}

internal readonly struct ByteBlock128 : IByteBlock
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Equal(ref byte at, byte value)
    {
        var bits = 0UL;
        for (var quarter = 0; quarter < 64; quarter += 16)
        {
            bits |= (ulong)Vector128.Equals(Vector128.LoadUnsafe(ref at, (nuint)quarter), Vector128.Create(value)).ExtractMostSignificantBits() << quarter;
        }

        return bits;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Below(ref byte at, byte limit)
    {
        var bits = 0UL;
        for (var quarter = 0; quarter < 64; quarter += 16)
        {
            bits |= (ulong)Vector128.LessThan(Vector128.LoadUnsafe(ref at, (nuint)quarter), Vector128.Create(limit)).ExtractMostSignificantBits() << quarter;
        }

        return bits;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong High(ref byte at)
    {
        var bits = 0UL;
        for (var quarter = 0; quarter < 64; quarter += 16)
        {
            bits |= (ulong)Vector128.LoadUnsafe(ref at, (nuint)quarter).ExtractMostSignificantBits() << quarter;
        }

        return bits;
    }
}
