using System.Diagnostics.CodeAnalysis;

namespace EhrGrains.Contracts.Scopes;

/// <summary>A FHIR REST interaction as SMART v2 scopes count them: c, r, u, d, s.</summary>
[Flags]
public enum Interactions
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Create.</summary>
    Create = 1,

    /// <summary>Read, vread and instance history.</summary>
    Read = 2,

    /// <summary>Update and patch.</summary>
    Update = 4,

    /// <summary>Delete.</summary>
    Delete = 8,

    /// <summary>Search, and type and system history.</summary>
    Search = 16,
}

/// <summary>
/// One SMART v2 system scope (SMART App Launch 2.2, scopes-and-launch-context): <c>system/{type}.{cruds}</c>. Version 1 forms
/// (<c>.read</c>, <c>.write</c>, <c>.*</c>) are read as what they mean in version 2. A scope with a search filter
/// (<c>?category=…</c>) is not understood and therefore grants nothing.
/// </summary>
public readonly record struct SmartScope(string ResourceType, Interactions Interactions)
{
    private const string Prefix = "system/";

    /// <summary>Reads one scope; false when it is not a system scope of either version.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out SmartScope scope)
    {
        scope = default;
        if (text is null || !text.StartsWith(Prefix, StringComparison.Ordinal))
        {
            return false;
        }

        var dot = text.LastIndexOf('.');
        var type = dot < 0 ? "" : text[Prefix.Length..dot];
        if (type != "*" && (type.Length == 0 || !char.IsAsciiLetterUpper(type[0]) || !type.All(char.IsAsciiLetter)))
        {
            return false;
        }

        var interactions = ParseInteractions(text[(dot + 1)..]);
        scope = new SmartScope(type, interactions);
        return interactions != Interactions.None;
    }

    /// <summary>True when the scope allows the interaction on the type.</summary>
    public bool Allows(string resourceType, Interactions interaction) =>
        (ResourceType == "*" || ResourceType == resourceType) && (Interactions & interaction) == interaction;

    /// <summary>True when any of the scopes allows the interaction on the type.</summary>
    public static bool AnyAllows(IEnumerable<string> scopes, string resourceType, Interactions interaction) =>
        scopes.Any(text => TryParse(text, out var scope) && scope.Allows(resourceType, interaction));

    private static Interactions ParseInteractions(string text) => text switch
    {
        "read" => Interactions.Read | Interactions.Search,
        "write" => Interactions.Create | Interactions.Update | Interactions.Delete,
        "*" => Interactions.Create | Interactions.Read | Interactions.Update | Interactions.Delete | Interactions.Search,
        _ => ParseLetters(text),
    };

    // The order is fixed: "sr" and "dus" are not scopes.
    private static Interactions ParseLetters(string text)
    {
        const string Order = "cruds";
        var result = Interactions.None;
        var position = 0;
        foreach (var letter in text)
        {
            var found = Order.IndexOf(letter, position);
            if (found < 0)
            {
                return Interactions.None;
            }

            result |= (Interactions)(1 << found);
            position = found + 1;
        }

        return result;
    }
}
