using System.Text;

namespace EhrGrains.Sandbox.Charts;

/// <summary>
/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014): the same sequence on every
/// platform and release, which System.Random does not promise.
/// </summary>
internal sealed class SplitMix64(ulong seed)
{
    private ulong state = seed;

    /// <summary>A generator of its own for everything that has a name, so that one patient's chart does not depend on another's.</summary>
    public static SplitMix64 For(int seed, string name)
    {
        // FNV-1a over the name, started from the seed.
        var hash = unchecked(14695981039346656037UL ^ (uint)seed);
        foreach (var octet in Encoding.UTF8.GetBytes(name))
        {
            hash = unchecked((hash ^ octet) * 1099511628211UL);
        }

        return new SplitMix64(hash);
    }

    public ulong Next()
    {
        unchecked
        {
            state += 0x9E3779B97F4A7C15UL;
            var z = state;
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
            return z ^ (z >> 31);
        }
    }

    /// <summary>A number from <paramref name="low"/> to <paramref name="high"/>, both included.</summary>
    public int Between(int low, int high) => low + (int)(Next() % (ulong)(high - low + 1));

    /// <summary>True in so many of a hundred cases.</summary>
    public bool Chance(int percent) => Between(1, 100) <= percent;

    public T Pick<T>(IReadOnlyList<T> choices) => choices[Between(0, choices.Count - 1)];

    public string Text(string alphabet, int length) =>
        string.Create(length, (this, alphabet), static (span, source) =>
        {
            foreach (ref var letter in span)
            {
                letter = source.alphabet[source.Item1.Between(0, source.alphabet.Length - 1)];
            }
        });
}
