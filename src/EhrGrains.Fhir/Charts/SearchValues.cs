namespace EhrGrains.Fhir.Charts;

/// <summary>A code and its system, a reference's id and its type, a URI: texts by their number in <see cref="Texts"/>.</summary>
internal readonly record struct TokenValue(int System, int Code);

/// <summary>An amount, or the range that it is known to be in, with the numbers of its unit's texts.</summary>
internal readonly record struct QuantityValue(decimal Low, decimal High, int System, int Code, int Unit);

/// <summary>The distinct texts of a chart's indexes, each kept once and compared by number after that. Not thread-safe.</summary>
internal sealed class Texts
{
    /// <summary>No text.</summary>
    internal const int None = 0;

    /// <summary>Stands for every text: a code whose system FHIR fixes without writing it down.</summary>
    internal const int Any = -1;

    /// <summary>A text that is not in the chart.</summary>
    internal const int Unknown = -2;

    private readonly Dictionary<string, int> numbers = new(StringComparer.Ordinal);
    private readonly List<string> texts = [""];

    /// <summary>What the texts take, in bytes, nearly.</summary>
    internal long Bytes { get; private set; }

    internal string this[int number] => number > 0 ? texts[number] : "";

    internal int Add(string? text)
    {
        if (string.IsNullOrEmpty(text))
        {
            return None;
        }

        if (!numbers.TryGetValue(text, out var number))
        {
            number = texts.Count;
            texts.Add(text);
            numbers.Add(text, number);
            Bytes += 64 + (2 * text.Length);
        }

        return number;
    }

    internal int Find(string? text) => string.IsNullOrEmpty(text) ? None : numbers.GetValueOrDefault(text, Unknown);

    internal void Clear()
    {
        numbers.Clear();
        texts.RemoveRange(1, texts.Count - 1);
        Bytes = 0;
    }
}
