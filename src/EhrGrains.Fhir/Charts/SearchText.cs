using System.Globalization;
using System.Text;

namespace EhrGrains.Fhir.Charts;

/// <summary>How texts are compared in searches (R4 search.html#string): without case, accents and differences of white space.</summary>
public static class SearchText
{
    /// <summary>The form of a text in which equal texts are equal: lower case, no combining marks, single spaces, trimmed.</summary>
    public static string Fold(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var folded = new StringBuilder(text.Length);
        foreach (var c in text.Normalize(NormalizationForm.FormKD))
        {
            if (char.IsWhiteSpace(c))
            {
                if (folded.Length > 0 && folded[^1] != ' ')
                {
                    folded.Append(' ');
                }
            }
            else if (CharUnicodeInfo.GetUnicodeCategory(c) is not (UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark))
            {
                folded.Append(char.ToLowerInvariant(c));
            }
        }

        return folded.ToString().TrimEnd();
    }
}
