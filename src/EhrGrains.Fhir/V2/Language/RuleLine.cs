using System.Globalization;
using System.Text;

namespace EhrGrains.Fhir.V2.Language;

/// <summary>A word of a rule; quoted ones are text.</summary>
internal readonly record struct Token(string Text, bool IsQuoted)
{
    internal bool Is(string word) => !IsQuoted && Text == word;
}

/// <summary>A line of a file of rules: its place, how far it is indented, its words.</summary>
internal sealed class RuleLine(RulePlace place, int indent, List<Token> tokens)
{
    private int next;

    internal RulePlace Place => place;

    internal int Indent => indent;

    internal bool IsAtEnd => next >= tokens.Count;

    internal Token Peek => IsAtEnd ? default : tokens[next];

    internal Token Take() => tokens[next++];

    internal bool TryTake(string word)
    {
        if (IsAtEnd || !Peek.Is(word))
        {
            return false;
        }

        next++;
        return true;
    }

    /// <summary>All lines of a text that say something.</summary>
    internal static IEnumerable<RuleLine> ReadAll(string file, string text)
    {
        var number = 0;
        foreach (var line in text.Split('\n'))
        {
            number++;
            var tokens = Divide(line);
            if (tokens.Count > 0)
            {
                yield return new RuleLine(new RulePlace(file, number), line.Length - line.TrimStart().Length, tokens);
            }
        }
    }

    /// <summary>Reads <c>if … unless …</c>, up to the end of the line; null when there is none.</summary>
    internal ConditionRule? ReadCondition(Action<string> fault)
    {
        List<IReadOnlyList<TestRule>>? all = null;
        while (TryTake("if") is var isIf && (isIf || TryTake("unless")))
        {
            var any = new List<IReadOnlyList<TestRule>>();
            do
            {
                var tests = new List<TestRule>();
                do
                {
                    if (ReadTest(fault) is { } test)
                    {
                        tests.Add(test);
                    }
                }
                while (TryTake("and"));
                any.Add(tests);
            }
            while (TryTake("or"));
            any = isIf ? any : Negate(any);
            all = all is null ? any : [.. all.SelectMany(_ => any, (one, other) => (IReadOnlyList<TestRule>)[.. one, .. other])];
        }

        if (!IsAtEnd)
        {
            fault($"'{Peek.Text}' was not expected here.");
        }

        return all is null ? null : new ConditionRule(all);
    }

    // not (a and b or c) = (not a or not b) and not c, in alternatives again.
    private static List<IReadOnlyList<TestRule>> Negate(List<IReadOnlyList<TestRule>> any)
    {
        List<IReadOnlyList<TestRule>> result = [[]];
        foreach (var tests in any)
        {
            result = [.. result.SelectMany(_ => tests, (one, test) => (IReadOnlyList<TestRule>)[.. one, test with { Not = !test.Not }])];
        }

        return result;
    }

    private TestRule? ReadTest(Action<string> fault)
    {
        var not = TryTake("not");
        if (TryTake("after"))
        {
            return new TestRule(not, TestKind.After, new TextSource("after", ["after"], []), ReadWords(fault), 0);
        }

        if (IsAtEnd || SourceReader.Read(Take(), fault) is not { } source)
        {
            fault("A condition needs something to test: if PID-3, unless @Encounter.");
            return null;
        }

        if (TryTake("is"))
        {
            return new TestRule(not, TestKind.Is, source, ReadWords(fault), 0);
        }

        if (TryTake("longer"))
        {
            var length = 0;
            if (IsAtEnd || !int.TryParse(Take().Text, NumberStyles.None, CultureInfo.InvariantCulture, out length))
            {
                fault("'longer' needs a number.");
            }

            return new TestRule(not, TestKind.Longer, source, [], length);
        }

        return new TestRule(not, TryTake("repeats") ? TestKind.Repeats : TestKind.Valued, source, [], 0);
    }

    private List<string> ReadWords(Action<string> fault)
    {
        var words = new List<string>();
        while (!IsAtEnd && !(Peek.Is("and") || Peek.Is("or") || Peek.Is("if") || Peek.Is("unless")))
        {
            words.Add(Take().Text);
        }

        if (words.Count == 0)
        {
            fault("'is' and 'after' need at least one value.");
        }

        return words;
    }

    private static List<Token> Divide(string line)
    {
        var tokens = new List<Token>();
        var at = 0;
        while (at < line.Length)
        {
            if (char.IsWhiteSpace(line[at]))
            {
                at++;
            }
            else if (line[at] == '#')
            {
                break;
            }
            else if (line[at] == '"')
            {
                tokens.Add(new Token(Quoted(line, ref at), true));
            }
            else
            {
                var from = at;
                while (at < line.Length && !char.IsWhiteSpace(line[at]))
                {
                    at++;
                }

                tokens.Add(new Token(line[from..at], false));
            }
        }

        return tokens;
    }

    // Up to the next quotation mark; two of them are one in the text.
    private static string Quoted(string line, ref int at)
    {
        var text = new StringBuilder();
        for (at++; at < line.Length; at++)
        {
            if (line[at] == '"')
            {
                at++;
                if (at >= line.Length || line[at] != '"')
                {
                    break;
                }
            }

            text.Append(line[at]);
        }

        return text.ToString();
    }
}
