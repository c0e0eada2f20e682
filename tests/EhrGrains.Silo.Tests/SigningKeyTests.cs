using System.Net;
using System.Net.Http.Headers;
using EhrGrains.Testing;
using Microsoft.Data.Sqlite;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace EhrGrains.Silo.Tests;

/// <summary>Rotation of the key that access tokens are signed with; time passes by making what is stored older.</summary>
public sealed class SigningKeyTests
{
    // The issuer's name has to be the same in every run.
    private readonly string url = $"http://127.0.0.1:{Ports.Free()}";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Signing_keys_rotate_and_no_token_is_refused_for_it()
    {
        using var directory = new TempDirectory();
        var first = await LookAsync(directory, null);
        first.Published.ShouldBe([first.SignedBy]);

        await AgeAsync(directory, TimeSpan.FromDays(30));
        var due = await LookAsync(directory, null);
        due.Published.Length.ShouldBe(2);
        due.SignedBy.ShouldBe(first.SignedBy, "the new key is only published yet");
        var next = due.Published.Single(key => key != first.SignedBy);

        await AgeAsync(directory, TimeSpan.FromHours(24));
        var rotated = await LookAsync(directory, due.Token);
        rotated.SignedBy.ShouldBe(next);
        rotated.Published.ShouldBe(due.Published);
        rotated.OlderTokenTaken.ShouldBe(HttpStatusCode.OK);

        await AgeAsync(directory, TimeSpan.FromHours(24));
        var retired = await LookAsync(directory, due.Token);
        retired.Published.ShouldBe([next]);
        retired.OlderTokenTaken.ShouldBe(HttpStatusCode.Unauthorized, "nothing is left that knows the old key");
    }

    // One run of a silo: what it publishes, what it signs with, and whether it takes a token of an earlier run.
    private async Task<Seen> LookAsync(TempDirectory directory, string? olderToken)
    {
        await using var silo = SiloHost.Build(RunningSilo.Arguments(
            directory.Path, "--Logging:LogLevel:Default=None", $"--EhrGrains:Http:Url={url}"));
        await silo.StartAsync(Cancel);
        using var http = new HttpClient { BaseAddress = new Uri(silo.Urls.Single()) };
        using var admin = Identity.FromOperatorFile(directory.File("operator.json"), "ehrgrains/operate ehrgrains/administer", http);
        var token = await admin.TokenAsync(Cancel);
        var keys = new JsonWebKeySet(await http.GetStringAsync("/.well-known/jwks.json", Cancel));
        using var request = new HttpRequestMessage(HttpMethod.Get, "/admin/v1/apps/operator");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", olderToken ?? token);
        using var answer = await http.SendAsync(request, Cancel);
        await silo.StopAsync(Cancel);
        return new Seen([.. keys.Keys.Select(key => key.Kid)], new JsonWebToken(token).Kid, token, answer.StatusCode);
    }

    private static async Task AgeAsync(TempDirectory directory, TimeSpan by)
    {
        await using var connection = new SqliteConnection($"Data Source={directory.File("ehrgrains.db")}");
        await connection.OpenAsync(Cancel);
        await using var command = connection.CreateCommand();
        command.CommandText = "UPDATE signing_key SET created_at_us = created_at_us - $1";
        command.Parameters.AddWithValue("$1", (long)by.TotalMicroseconds);
        (await command.ExecuteNonQueryAsync(Cancel)).ShouldBePositive();
    }

    private sealed record Seen(string[] Published, string SignedBy, string Token, HttpStatusCode OlderTokenTaken);
}
