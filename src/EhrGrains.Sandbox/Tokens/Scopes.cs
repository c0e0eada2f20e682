using System.Collections.Frozen;

namespace EhrGrains.Sandbox.Tokens;

/// <summary>What a token allows on one resource type.</summary>
[Flags]
internal enum Rights
{
    None = 0,
    Read = 1,
    Search = 2,
    Create = 4,
    Update = 8,
}

/// <summary>One SMART system scope of version 1 or 2, as far as a hospital knows what it is about.</summary>
internal readonly record struct Scope(string Type, Rights Rights, bool VersionOne)
{
    private const string Prefix = "system/";
    private const Rights Writing = Rights.Create | Rights.Update;

    public static bool TryParse(string text, out Scope scope)
    {
        scope = default;
        var dot = text.LastIndexOf('.');
        if (!text.StartsWith(Prefix, StringComparison.Ordinal) || dot <= Prefix.Length)
        {
            return false;
        }

        var what = text[(dot + 1)..];
        var rights = what switch
        {
            "read" => Rights.Read | Rights.Search,
            "write" => Rights.Create | Rights.Update,
            "*" => Rights.Read | Rights.Search | Rights.Create | Rights.Update,
            _ when IsInOrder(what) => Right(what, 'c', Rights.Create) | Right(what, 'r', Rights.Read) | Right(what, 'u', Rights.Update) | Right(what, 's', Rights.Search),
            _ => Rights.None,
        };
        scope = new Scope(text[Prefix.Length..dot], rights, what is "read" or "write" or "*");
        return rights != Rights.None;
    }

    /// <summary>The scope as it is granted: what was asked, less what nobody gets.</summary>
    public override string ToString() => VersionOne
        ? $"{Prefix}{Type}.{((Rights & Writing) == Rights.None ? "read" : (Rights & ~Writing) == Rights.None ? "write" : "*")}"
        : $"{Prefix}{Type}.{Letter('c', Rights.Create)}{Letter('r', Rights.Read)}{Letter('u', Rights.Update)}{Letter('s', Rights.Search)}";

    private string Letter(char letter, Rights right) => Rights.HasFlag(right) ? letter.ToString() : "";

    private static Rights Right(string letters, char letter, Rights right) =>
        letters.Contains(letter, StringComparison.Ordinal) ? right : Rights.None;

    // SMART App Launch 2.2: a subset of "cruds", in this order.
    private static bool IsInOrder(string letters)
    {
        var at = 0;
        foreach (var letter in letters)
        {
            at = "cruds".IndexOf(letter, at) + 1;
            if (at == 0)
            {
                return false;
            }
        }

        return letters.Length > 0;
    }
}

/// <summary>The scopes of a token.</summary>
internal sealed class Grant(IReadOnlyList<Scope> scopes)
{
    private readonly FrozenDictionary<string, Rights> rights = scopes
        .GroupBy(scope => scope.Type)
        .ToFrozenDictionary(group => group.Key, group => group.Aggregate(Rights.None, (sum, scope) => sum | scope.Rights));

    public bool IsEmpty => rights.Count == 0;

    public bool Allows(string type, Rights wanted) => (rights.GetValueOrDefault(type) & wanted) == wanted;

    public override string ToString() => string.Join(' ', scopes);
}
