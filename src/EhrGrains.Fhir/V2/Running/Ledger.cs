using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using EhrGrains.Fhir.V2.Language;
using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Fhir.V2.Running;

/// <summary>
/// Which bytes of a message a rule has taken: a bit a byte, so that at the end every populated part that nobody took is known
/// (design I11). When accounting is asked for, also by which rule and for what.
/// </summary>
internal sealed class Ledger : IDisposable
{
    private const int WordBits = 64;
    private ulong[] taken = [];
    private int words;
    private List<Use>? uses;

    /// <summary>What a rule did with some bytes.</summary>
    internal readonly record struct Use(int Start, int Length, RulePlace Rule, string Text, PartOutcome Outcome);

    internal IReadOnlyList<Use> Uses => uses ?? (IReadOnlyList<Use>)[];

    internal void Begin(int length, bool explain)
    {
        words = (length / WordBits) + 1;
        if (taken.Length < words)
        {
            Return();
            taken = ArrayPool<ulong>.Shared.Rent(words);
        }

        taken.AsSpan(0, words).Clear();
        uses = explain ? [] : null;
    }

    internal void Take(int start, int length)
    {
        for (var at = start; at < start + length;)
        {
            var bit = at % WordBits;
            var count = Math.Min(WordBits - bit, start + length - at);
            taken[at / WordBits] |= (count == WordBits ? ulong.MaxValue : (1UL << count) - 1) << bit;
            at += count;
        }
    }

    internal void Note(Use use) => uses?.Add(use);

    /// <summary>Whether all of these bytes are taken.</summary>
    internal bool IsTaken(int start, int length)
    {
        for (var at = start; at < start + length;)
        {
            var bit = at % WordBits;
            var count = Math.Min(WordBits - bit, start + length - at);
            var wanted = (count == WordBits ? ulong.MaxValue : (1UL << count) - 1) << bit;
            if ((taken[at / WordBits] & wanted) != wanted)
            {
                return false;
            }

            at += count;
        }

        return true;
    }

    /// <summary>Where a value begins, from the first byte of the message on. Both are views of the same bytes.</summary>
    internal static int OffsetOf(Hl7Segment first, ReadOnlySpan<byte> value) =>
        (int)Unsafe.ByteOffset(in MemoryMarshal.GetReference(first.Raw), in MemoryMarshal.GetReference(value));

    public void Dispose() => Return();

    private void Return()
    {
        if (taken.Length > 0)
        {
            ArrayPool<ulong>.Shared.Return(taken);
            taken = [];
        }
    }
}
