using System.IO.Compression;
using System.Text;
using EhrGrains.Connect.Bulk;
using EhrGrains.Connect.Tests.Peers;
using Microsoft.Extensions.Time.Testing;

namespace EhrGrains.Connect.Tests.Bulk;

public sealed class BulkFilesTests
{
    private const string Ndjson = "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true, "Bearer token-1")]
    [InlineData(false, null)]
    public async Task The_token_goes_along_when_the_manifest_wants_it(bool requires, string? authorization)
    {
        await using var peer = await Peer.StartAsync(Peer.Says(Ndjson, contentType: "application/fhir+ndjson"));
        using var rig = new Rig();

        var (lines, end) = await ReadAsync(rig, peer, peer.Url + "/f/1", requires);

        lines.ShouldBe(["{\"a\":1}", "{\"b\":2}", "{\"c\":3}"]);
        end.ShouldBe(BulkReading.End);
        peer.Requests.Single().Headers.GetValueOrDefault("Authorization").ShouldBe(authorization);
    }

    [Fact]
    public async Task No_token_goes_to_another_server_even_if_the_manifest_wants_it()
    {
        await using var peer = await Peer.StartAsync(Peer.Says(500));
        await using var storage = await Peer.StartAsync(Peer.Says(Ndjson));
        using var rig = new Rig();
        (await ReadAsync(rig, peer, storage.Url + "/f/1", true)).Lines.Count.ShouldBe(3);
        storage.Requests.Single().Headers.ShouldNotContainKey("Authorization");
    }

    [Fact]
    public async Task No_token_goes_along_a_redirect_to_signed_storage()
    {
        await using var storage = await Peer.StartAsync(Peer.Says(Ndjson));
        await using var peer = await Peer.StartAsync(Peer.Says(307, ("Location", storage.Url + "/signed?key=s3cret")));
        using var rig = new Rig();

        (await ReadAsync(rig, peer, peer.Url + "/f/1", true)).Lines.Count.ShouldBe(3);

        peer.Requests.Single().Headers["Authorization"].ShouldBe("Bearer token-1");
        storage.Requests.Single().Headers.ShouldNotContainKey("Authorization");
        rig.Logged.ShouldNotContain("s3cret");
    }

    [Fact]
    public async Task Redirects_come_to_an_end()
    {
        await using var peer = await Peer.StartAsync(Peer.Says(302, ("Location", "/f/1")));
        using var rig = new Rig();
        (await OpenAsync(rig, peer, peer.Url + "/f/1", true, BulkPosition.Start)).ShouldBeOfType<BulkOpening.Failed>().Problem.Code.ShouldBe("EHR-CON-015");
        peer.Requests.Count.ShouldBe(4);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Reading_goes_on_behind_the_last_line_whether_the_server_gives_parts_or_not(bool givesParts)
    {
        await using var peer = await Peer.StartAsync((context, received) =>
        {
            var from = givesParts && received.Headers.TryGetValue("Range", out var range) ? int.Parse(range["bytes=".Length..^1], null) : 0;
            if (from > 0)
            {
                context.Response.Headers.ContentRange = $"bytes {from}-{Ndjson.Length - 1}/{Ndjson.Length}";
            }

            return Peer.Says(Ndjson[from..], from > 0 ? 206 : 200, headers: [("ETag", "\"1\"")])(context);
        });
        using var rig = new Rig();

        var opening = await OpenAsync(rig, peer, peer.Url + "/f/1", true, new BulkPosition(8, "\"1\""));

        using var download = opening.ShouldBeOfType<BulkOpening.Opened>().Download;
        (await LinesAsync(download)).Lines.ShouldBe(["{\"b\":2}", "{\"c\":3}"]);
        download.Position.ShouldBe(new BulkPosition(Ndjson.Length, "\"1\""));
        peer.Requests.Single().Headers["Range"].ShouldBe("bytes=8-");
    }

    [Fact]
    public async Task Another_content_than_the_one_that_was_begun_is_read_from_its_beginning()
    {
        await using var peer = await Peer.StartAsync(Peer.Says(Ndjson, headers: [("ETag", "\"2\"")]));
        using var rig = new Rig();
        var opening = await OpenAsync(rig, peer, peer.Url + "/f/1", true, new BulkPosition(8, "\"1\""));
        using var download = opening.ShouldBeOfType<BulkOpening.Opened>().Download;
        (await LinesAsync(download)).Lines.Count.ShouldBe(3);
        download.Position.ShouldBe(new BulkPosition(Ndjson.Length, "\"2\""));
    }

    [Fact]
    public async Task A_file_that_was_read_to_its_end_has_no_more_lines()
    {
        await using var peer = await Peer.StartAsync(Peer.Says(416));
        using var rig = new Rig();
        var opening = await OpenAsync(rig, peer, peer.Url + "/f/1", true, new BulkPosition(Ndjson.Length, null));
        using var download = opening.ShouldBeOfType<BulkOpening.Opened>().Download;
        var (lines, end) = await LinesAsync(download);
        lines.ShouldBeEmpty();
        end.ShouldBe(BulkReading.End);
        download.Position.Offset.ShouldBe(Ndjson.Length);
    }

    [Fact]
    public async Task A_file_that_breaks_off_gives_its_whole_lines_and_says_so()
    {
        var begun = new TaskCompletionSource();
        await using var peer = await Peer.StartAsync(async context =>
        {
            await Peer.Says("{\"a\":1}\n{\"b\":")(context);
            await context.Response.Body.FlushAsync(Ct);
            await begun.Task.WaitAsync(Ct);
            context.Abort();
        });
        using var rig = new Rig();
        var opening = await OpenAsync(rig, peer, peer.Url + "/f/1", true, BulkPosition.Start);
        using var download = opening.ShouldBeOfType<BulkOpening.Opened>().Download;
        await download.ReadAsync();
        begun.SetResult();
        var (lines, end) = await LinesAsync(download);
        lines.ShouldBe(["{\"a\":1}"]);
        end.ShouldBe(BulkReading.CutOff);
        download.Position.Offset.ShouldBe(8);
    }

    [Fact]
    public async Task A_file_that_stands_still_is_given_up()
    {
        var time = new FakeTimeProvider();
        await using var peer = await Peer.StartAsync(Peer.Stalls("{\"a\":1}\n"));
        using var rig = new Rig(time);
        var opening = await OpenAsync(rig, peer, peer.Url + "/f/1", true, BulkPosition.Start);
        using var download = opening.ShouldBeOfType<BulkOpening.Opened>().Download;
        (await download.ReadAsync()).ShouldBe(BulkReading.More);
        download.TryRead(out _).ShouldBeTrue();

        var waiting = download.ReadAsync().AsTask();
        time.Advance(rig.Options.BodyTimeout);

        (await waiting.WaitAsync(Ct)).ShouldBe(BulkReading.CutOff);
    }

    [Fact]
    public async Task Files_may_be_packed()
    {
        await using var peer = await Peer.StartAsync(async context =>
        {
            context.Response.Headers.ContentEncoding = "gzip";
            await using var gzip = new GZipStream(context.Response.Body, CompressionLevel.Fastest);
            await gzip.WriteAsync(Encoding.UTF8.GetBytes(Ndjson), Ct);
        });
        using var rig = new Rig();
        var opening = await OpenAsync(rig, peer, peer.Url + "/f/1", true, new BulkPosition(8, null));
        using var download = opening.ShouldBeOfType<BulkOpening.Opened>().Download;
        (await LinesAsync(download)).Lines.ShouldBe(["{\"b\":2}", "{\"c\":3}"]);
    }

    [Fact]
    public async Task A_packed_file_that_unpacks_without_end_is_stopped_at_the_bound()
    {
        await using var peer = await Peer.StartAsync(async context =>
        {
            context.Response.Headers.ContentEncoding = "gzip";
            await using var gzip = new GZipStream(context.Response.Body, CompressionLevel.Fastest);
            var piece = new byte[1024 * 1024];
            piece.AsSpan().Fill((byte)'x');
            for (var i = 0; i < 4; i++)
            {
                await gzip.WriteAsync(piece, Ct);
            }
        });
        using var rig = new Rig(configure: options => (options.BulkFileBytesMax, options.BulkLineBytesMax) = (1024 * 1024, 1024));
        (await ReadAsync(rig, peer, peer.Url + "/f/1", true)).End.ShouldBe(BulkReading.TooLarge);
    }

    [Theory]
    [InlineData(404, true)]
    [InlineData(410, true)]
    [InlineData(404, false)]
    [InlineData(403, false)]
    public async Task A_file_that_is_gone_or_whose_link_has_ended_is_expired(int status, bool withToken)
    {
        await using var peer = await Peer.StartAsync(Peer.Says(status));
        using var rig = new Rig();
        (await OpenAsync(rig, peer, peer.Url + "/f/1", withToken, BulkPosition.Start)).ShouldBeOfType<BulkOpening.Expired>();
    }

    [Fact]
    public async Task A_sign_in_page_is_no_file()
    {
        await using var peer = await Peer.StartAsync(Peer.Says("<html></html>", contentType: "text/html"));
        using var rig = new Rig();
        (await OpenAsync(rig, peer, peer.Url + "/f/1", true, BulkPosition.Start)).ShouldBeOfType<BulkOpening.Failed>().Problem.Code.ShouldBe("EHR-BLK-011");
    }

    [Fact]
    public async Task A_file_inside_our_own_network_is_not_fetched()
    {
        await using var peer = await Peer.StartAsync(Peer.Says(500));
        using var rig = new Rig();
        (await OpenAsync(rig, peer, "https://169.254.169.254/latest/meta-data", false, BulkPosition.Start))
            .ShouldBeOfType<BulkOpening.Failed>().Problem.Code.ShouldBe("EHR-CON-002");
    }

    private static Task<BulkOpening> OpenAsync(Rig rig, Peer peer, string url, bool requires, BulkPosition from) =>
        rig.Files.OpenAsync(BulkClientTests.Site(peer), new BulkFile(BulkFileKind.Output, "Patient", url, null), requires, from, Ct);

    private static async Task<(List<string> Lines, BulkReading End)> ReadAsync(Rig rig, Peer peer, string url, bool requires)
    {
        using var download = (await OpenAsync(rig, peer, url, requires, BulkPosition.Start)).ShouldBeOfType<BulkOpening.Opened>().Download;
        return await LinesAsync(download);
    }

    private static async Task<(List<string> Lines, BulkReading End)> LinesAsync(BulkDownload download)
    {
        var lines = new List<string>();
        BulkReading reading;
        do
        {
            reading = await download.ReadAsync();
            while (download.TryRead(out var line))
            {
                lines.Add(Encoding.UTF8.GetString(line.Span));
            }
        }
        while (reading == BulkReading.More);
        return (lines, reading);
    }
}
