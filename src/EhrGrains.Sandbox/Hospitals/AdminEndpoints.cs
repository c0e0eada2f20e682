using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using EhrGrains.Sandbox.Edits;
using EhrGrains.Sandbox.Faults;
using EhrGrains.Sandbox.Feeds;
using EhrGrains.Sandbox.Tokens;

namespace EhrGrains.Sandbox.Hospitals;

/// <summary>How a hospital is told to misbehave, and asked what it saw. Without authentication, so for loopback callers only.</summary>
internal static class AdminEndpoints
{
    public static void Map(IEndpointRouteBuilder routes)
    {
        var admin = routes.MapGroup("/_sandbox").AddEndpointFilter(async (invocation, next) =>
            invocation.HttpContext.Connection.RemoteIpAddress is { } caller
                && IPAddress.IsLoopback(caller) && Of(invocation.HttpContext) is not null
                ? await next(invocation)
                : Results.NotFound());
        admin.MapGet("/site", (HttpContext context) => Results.Json(Of(context)!.Describe(), JsonText.Admin));
        admin.MapGet("/patients", (HttpContext context) => Results.Json(Of(context)!.Patients(), JsonText.Admin));
        admin.MapGet("/faults", (HttpContext context) => Faults(Of(context)!));
        admin.MapPut("/faults", (Delegate)PutFaultsAsync);
        admin.MapDelete("/faults", (HttpContext context) =>
        {
            Of(context)!.Faults.Set([]);
            return Results.NoContent();
        });
        admin.MapGet("/hostile", () => Results.Json(HostileMode.Names, JsonText.Admin));
        admin.MapPut("/hostile", (Delegate)PutHostileAsync);
        admin.MapDelete("/hostile", (HttpContext context) =>
        {
            Of(context)!.Faults.Hostile = null;
            return Results.NoContent();
        });
        admin.MapGet("/counters", (HttpContext context) => Results.Json(Of(context)!.Counters.Read(), JsonText.Admin));
        admin.MapDelete("/counters", (HttpContext context) =>
        {
            Of(context)!.Counters.Reset();
            return Results.NoContent();
        });
        admin.MapPut("/client", (Delegate)PutClientAsync);
        admin.MapPost("/edits", (Delegate)PostEditsAsync);
        admin.MapGet("/truth", (HttpContext context, string patient, bool? content) =>
            Truth.Of(patient, Of(context)!.Charts, Of(context)!.Vendor.Searches, content ?? false) is { } truth
                ? Results.Json(truth, JsonText.Admin)
                : Results.NotFound());
        admin.MapDelete("/exports", (HttpContext context) =>
        {
            Of(context)!.Exports.Clear();
            return Results.NoContent();
        });
        admin.MapPut("/clock", (Delegate)PutClockAsync);
        admin.MapGet("/feed", (HttpContext context) => Results.Json(Of(context)!.Feed.Read(), JsonText.Admin));
        admin.MapPut("/feed", (Delegate)PutFeedAsync);
        admin.MapGet("/feed/ended", async (HttpContext context) =>
        {
            await Of(context)!.Feed.Ended.WaitAsync(context.RequestAborted);
            return Results.Json(Of(context)!.Feed.Read(), JsonText.Admin);
        });
        admin.MapDelete("/feed", async (HttpContext context) =>
        {
            await Of(context)!.Feed.StopAsync();
            return Results.Json(Of(context)!.Feed.Read(), JsonText.Admin);
        });
        admin.MapGet("/receiver", (HttpContext context) => Results.Json(Of(context)!.Receiver.Read(), JsonText.Admin));
        admin.MapPut("/receiver", (Delegate)PutReceiverAsync);
    }

    private static Hospital? Of(HttpContext context) => context.Features.Get<Hospital>();

    private static IResult Faults(Hospital hospital) => Results.Json(new FaultList { Faults = hospital.Faults.Current }, JsonText.Admin);

    private static async Task<IResult> PutFaultsAsync(HttpContext context)
    {
        var (list, problem) = await ReadAsync<FaultList>(context);
        if (list is null)
        {
            return Problem(problem!);
        }

        var problems = list.Faults.SelectMany((fault, i) => fault.Problems.Select(text => $"faults[{i}].{text}"))
            .Concat(list.Faults.Count > FaultBoard.FaultsMax ? [$"faults: at most {FaultBoard.FaultsMax}."] : []);
        if (string.Join(' ', problems) is { Length: > 0 } all)
        {
            return Problem(all);
        }

        var hospital = Of(context)!;
        if (list.Faults.Any(fault => fault.Kind == FaultKind.TokenRevoked))
        {
            hospital.Tokens.RevokeAll();
        }

        hospital.Faults.Set([.. list.Faults.Where(fault => fault.Kind != FaultKind.TokenRevoked)]);
        return Faults(hospital);
    }

    private static async Task<IResult> PutHostileAsync(HttpContext context)
    {
        var (settings, problem) = await ReadAsync<HostileSettings>(context);
        if (settings is null || HostileMode.Problems(settings).Any())
        {
            return Problem(settings is null ? problem! : string.Join(' ', HostileMode.Problems(settings)));
        }

        Of(context)!.Faults.Hostile = new HostileMode(settings);
        return Results.NoContent();
    }

    private static async Task<IResult> PutClientAsync(HttpContext context)
    {
        var (client, problem) = await ReadAsync<Client>(context);
        if (client is null)
        {
            return Problem(problem!);
        }

        if (client.JwksUrl is not null
            && !(Uri.TryCreate(client.JwksUrl, UriKind.Absolute, out var url) && url.Scheme is "http" or "https"))
        {
            return Problem("jwksUrl: an absolute http or https URL.");
        }

        return Of(context)!.Clients.Register(client)
            ? Results.NoContent()
            : Problem($"A hospital knows at most {ClientTable.ClientsMax} clients.");
    }

    private static async Task<IResult> PostEditsAsync(HttpContext context)
    {
        var (edits, problem) = await ReadAsync<EditList>(context);
        if (edits is null)
        {
            return Problem(problem!);
        }

        var (receipt, refusal) = Of(context)!.Scribe.Write(edits);
        return receipt is null ? Problem(refusal!) : Results.Json(receipt, JsonText.Admin);
    }

    private static async Task<IResult> PutClockAsync(HttpContext context)
    {
        var (clock, problem) = await ReadAsync<ClockSetting>(context);
        if (clock is null || Math.Abs(clock.SkewSeconds) > ClockSetting.SkewSecondsMax)
        {
            return Problem(problem is null || clock is not null ? $"skewSeconds: {ClockSetting.SkewSecondsMax:N0} at most, either way." : problem);
        }

        Of(context)!.Time.Skew = TimeSpan.FromSeconds(clock.SkewSeconds);
        return Results.NoContent();
    }

    private static async Task<IResult> PutFeedAsync(HttpContext context)
    {
        var (settings, problem) = await ReadAsync<FeedSettings>(context);
        if (settings is null || settings.Problems.Any())
        {
            return Problem(settings is null ? problem! : string.Join(' ', settings.Problems));
        }

        await Of(context)!.Feed.StartAsync(settings);
        return Results.Json(Of(context)!.Feed.Read(), JsonText.Admin);
    }

    private static async Task<IResult> PutReceiverAsync(HttpContext context)
    {
        var (settings, problem) = await ReadAsync<ReceiverSettings>(context);
        if (settings is null || settings.Problems.Any())
        {
            return Problem(settings is null ? problem! : string.Join(' ', settings.Problems));
        }

        try
        {
            return Results.Json(Of(context)!.Receiver.Set(settings), JsonText.Admin);
        }
        catch (SocketException)
        {
            return Problem("port: it is not free.");
        }
    }

    private static async Task<(T? Value, string? Problem)> ReadAsync<T>(HttpContext context)
        where T : class
    {
        try
        {
            return (await JsonSerializer.DeserializeAsync<T>(
                context.Request.Body, JsonText.Admin, context.RequestAborted), "The body is null.");
        }
        catch (JsonException e)
        {
            return (null, $"{e.Path}: not understood. See docs/sandbox.md for the members and their values.");
        }
    }

    private static IResult Problem(string detail) => Results.Problem(detail, statusCode: StatusCodes.Status400BadRequest);

    private sealed record ClockSetting
    {
        /// <summary>Ten years.</summary>
        public const long SkewSecondsMax = 315_360_000;

        public required long SkewSeconds { get; init; }
    }

    private sealed record FaultList
    {
        public required IReadOnlyList<Fault> Faults { get; init; }
    }
}
