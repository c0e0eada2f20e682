using System.Globalization;
using System.Text;

namespace EhrGrains.Fhir.Tests.V2;

/// <summary>How many facts were expected, how many were found of them, and how many were stated in all.</summary>
internal readonly record struct Score(int Expected, int Stated, int Common)
{
    public double Recall => Expected == 0 ? 1 : (double)Common / Expected;

    public double Precision => Stated == 0 ? 1 : (double)Common / Stated;

    public static Score operator +(Score left, Score right) =>
        new(left.Expected + right.Expected, left.Stated + right.Stated, left.Common + right.Common);
}

/// <summary>Compares bundles with the bundles that were expected, by facts; collects the work list: what is missing and what is surplus.</summary>
internal sealed class FactComparison
{
    private readonly SortedDictionary<string, Score> byType = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (int Count, string Example)> missing = [];
    private readonly Dictionary<string, (int Count, string Example)> surplus = [];

    public Score Total { get; private set; }

    public IReadOnlyDictionary<string, (int Count, string Example)> Missing => missing;

    public IReadOnlyDictionary<string, (int Count, string Example)> Surplus => surplus;

    public void Add(string messageType, string file, HashSet<Fact> expected, HashSet<Fact> stated)
    {
        var score = new Score(expected.Count, stated.Count, expected.Count(stated.Contains));
        byType[messageType] = byType.GetValueOrDefault(messageType) + score;
        Total += score;
        Note(missing, expected.Where(fact => !stated.Contains(fact)), file);
        Note(surplus, stated.Where(fact => !expected.Contains(fact)), file);
    }

    /// <summary>Recall and precision per message type, then the paths that are most often missing and most often surplus.</summary>
    public string Report(int lines = 60)
    {
        var report = new StringBuilder();
        foreach (var (type, score) in byType)
        {
            Line(report, type, score);
        }

        Line(report, "all", Total);
        foreach (var (title, list) in new[] { ("missing", missing), ("surplus", surplus) })
        {
            report.Append('\n').Append(title).Append('\n');
            foreach (var (path, (count, example)) in list.OrderByDescending(entry => entry.Value.Count).ThenBy(entry => entry.Key).Take(lines))
            {
                report.Append(CultureInfo.InvariantCulture, $"{count,6} {path}  e.g. {example}\n");
            }
        }

        return report.ToString();
    }

    private static void Line(StringBuilder report, string name, Score score) =>
        report.Append(
            CultureInfo.InvariantCulture,
            $"{name,-12} recall {score.Recall:0.000}  precision {score.Precision:0.000}  ({score.Common} of {score.Expected} expected, {score.Stated} stated)\n");

    private static void Note(Dictionary<string, (int Count, string Example)> list, IEnumerable<Fact> facts, string file)
    {
        foreach (var fact in facts)
        {
            var seen = list.GetValueOrDefault(fact.Path, (0, $"{fact.Value} in {file}"));
            list[fact.Path] = (seen.Item1 + 1, seen.Item2);
        }
    }
}
