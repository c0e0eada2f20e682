using System.Net.Http.Headers;

namespace EhrGrains.Connect.Ehr;

/// <summary>What can be said of a body before it is read: content types lie in both directions, first and last bytes do not.</summary>
internal static class JsonShape
{
    private static ReadOnlySpan<byte> ByteOrderMark => [0xEF, 0xBB, 0xBF];

    /// <summary>True when the headers allow FHIR JSON in UTF-8 and not compressed.</summary>
    public static bool Announced(HttpContentHeaders headers)
    {
        if (headers.ContentEncoding.Any(static e => !e.Equals("identity", StringComparison.OrdinalIgnoreCase)))
        {
            return false;
        }

        // Before its first release FHIR had application/json+fhir, which some servers still write.
        return headers.ContentType is not { } type
            || (type.MediaType is "application/fhir+json" or "application/json" or "application/json+fhir" or "text/json"
                && (type.CharSet is not { } charset || IsUtf8(charset)));
    }

    /// <summary>How the body begins and ends: an object, an object that is cut off, or neither.</summary>
    public static EhrFailure Judge(ReadOnlySpan<byte> body)
    {
        body = (body.StartsWith(ByteOrderMark) ? body[ByteOrderMark.Length..] : body).Trim(" \t\r\n"u8);
        if (body.IsEmpty || body[0] != '{')
        {
            return EhrFailure.NotFhir;
        }

        return body[^1] == '}' ? EhrFailure.None : EhrFailure.Truncated;
    }

    public static ReadOnlyMemory<byte> SkipByteOrderMark(ReadOnlyMemory<byte> body) =>
        body.Span.StartsWith(ByteOrderMark) ? body[ByteOrderMark.Length..] : body;

    private static bool IsUtf8(string charset)
    {
        var name = charset.Trim('"');
        return name.Equals("utf-8", StringComparison.OrdinalIgnoreCase)
            || name.Equals("utf8", StringComparison.OrdinalIgnoreCase)
            || name.Equals("us-ascii", StringComparison.OrdinalIgnoreCase);
    }
}
