using System.Buffers;
using System.Globalization;
using System.Text.Json.Nodes;
using EhrGrains.Sandbox.Faults;

namespace EhrGrains.Sandbox.Hospitals;

/// <summary>An answer before it is sent: its body is laid end to end from parts that were made long before.</summary>
internal sealed class Answer
{
    public const string FhirJson = "application/fhir+json; charset=utf-8";

    // A file of an export is sent as it is read, not gathered first.
    private const int FlushBytes = 262_144;

    private readonly List<ReadOnlyMemory<byte>> parts;

    public Answer(int status, string? contentType = null, params ReadOnlySpan<ReadOnlyMemory<byte>> body)
    {
        Status = status;
        ContentType = contentType;
        parts = [.. body];
    }

    public int Status { get; }

    public string? ContentType { get; private set; }

    public List<KeyValuePair<string, string>> Headers { get; } = [];

    private long Length
    {
        get
        {
            var length = 0L;
            foreach (var part in parts)
            {
                length += part.Length;
            }

            return length;
        }
    }

    public static Answer Json(int status, JsonObject body, string contentType = "application/json") =>
        new(status, contentType, JsonText.Write(body));

    public void Append(ReadOnlyMemory<byte> part) => parts.Add(part);

    public Answer With(string header, string value)
    {
        Headers.Add(new(header, value));
        return this;
    }

    public async Task SendAsync(HttpContext context, FaultSet faults, TimeProvider time)
    {
        var bytesPadding = faults.IsEmpty ? 0L : Spoil(faults, time);
        var response = context.Response;
        response.StatusCode = Status;
        foreach (var (name, value) in Headers)
        {
            response.Headers[name] = value;
        }

        if (parts.Count == 0)
        {
            return;
        }

        response.ContentType = ContentType;
        response.ContentLength = Length + bytesPadding + (faults.Has(FaultKind.WrongLength) ? 1000 : 0);
        if (faults.Has(FaultKind.ResetBody))
        {
            await SendHalfAndResetAsync(context);
        }
        else if (faults.TryGet(FaultKind.SlowBody, out var slow))
        {
            await SendSlowlyAsync(context, slow.BytesPerSecond, time);
        }
        else
        {
            await SendAllAsync(response, bytesPadding, context.RequestAborted);
        }
    }

    private async Task SendAllAsync(HttpResponse response, long bytesPadding, CancellationToken cancellationToken)
    {
        var writer = response.BodyWriter;
        foreach (var part in parts)
        {
            writer.Write(part.Span);
            if (writer.UnflushedBytes >= FlushBytes)
            {
                await writer.FlushAsync(cancellationToken);
            }
        }

        await writer.FlushAsync(cancellationToken);
        var spaces = new byte[Math.Min(bytesPadding, 65_536)];
        spaces.AsSpan().Fill((byte)' ');
        for (var left = bytesPadding; left > 0; left -= spaces.Length)
        {
            await writer.WriteAsync(spaces.AsMemory(0, (int)Math.Min(left, spaces.Length)), cancellationToken);
        }
    }

    private async Task SendHalfAndResetAsync(HttpContext context)
    {
        var body = Whole();
        await context.Response.BodyWriter.WriteAsync(body.AsMemory(0, body.Length / 2), context.RequestAborted);
        await context.Response.BodyWriter.FlushAsync(context.RequestAborted);
        context.Abort();
    }

    private async Task SendSlowlyAsync(HttpContext context, int bytesPerSecond, TimeProvider time)
    {
        var tenth = Math.Max(1, bytesPerSecond / 10);
        var pause = TimeSpan.FromSeconds((double)tenth / bytesPerSecond);
        var body = Whole().AsMemory();
        while (body.Length > 0)
        {
            var piece = Math.Min(tenth, body.Length);
            await context.Response.BodyWriter.WriteAsync(body[..piece], context.RequestAborted);
            body = body[piece..];
            await Task.Delay(pause, time, context.RequestAborted);
        }
    }

    // Makes the body what the faults want and returns how much white space comes after it.
    private long Spoil(FaultSet faults, TimeProvider time)
    {
        if (parts.Count > 0)
        {
            var body = Spoiling.Spoil(Whole(), faults);
            parts.Clear();
            parts.Add(body);
        }

        if (faults.Has(FaultKind.WrongContentType))
        {
            ContentType = "text/plain";
        }

        if (faults.Has(FaultKind.GzipBomb))
        {
            With("Content-Encoding", "gzip");
        }

        if (faults.Has(FaultKind.ClockBack))
        {
            With("Date", time.GetUtcNow().AddYears(-1).ToString("r", CultureInfo.InvariantCulture));
        }

        if (faults.Has(FaultKind.HeaderFlood))
        {
            for (var i = 0; i < 25; i++)
            {
                With(string.Create(CultureInfo.InvariantCulture, $"X-Flood-{i}"), new string('x', 4000));
            }
        }

        return faults.TryGet(FaultKind.OversizedBody, out var oversized) ? oversized.Bytes : 0;
    }

    private byte[] Whole()
    {
        var body = new byte[Length];
        var at = 0;
        foreach (var part in parts)
        {
            part.Span.CopyTo(body.AsSpan(at));
            at += part.Length;
        }

        return body;
    }
}

/// <summary>Waits that answers tell.</summary>
internal static class RetryAfter
{
    private const string Date = "date:";

    /// <summary>The header's value: as it was given, or the date so many seconds from now (RFC 9110 §10.2.3).</summary>
    public static string Write(string text, TimeProvider time) =>
        text.StartsWith(Date, StringComparison.Ordinal) && int.TryParse(text[Date.Length..], CultureInfo.InvariantCulture, out var seconds)
            ? time.GetUtcNow().AddSeconds(seconds).ToString("r", CultureInfo.InvariantCulture)
            : text;
}
