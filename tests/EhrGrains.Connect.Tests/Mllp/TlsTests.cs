using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using EhrGrains.Connect.Mllp;
using EhrGrains.Connect.Tests.Peers;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Testing;

namespace EhrGrains.Connect.Tests.Mllp;

/// <summary>A listener with TLS and its certificates in files.</summary>
internal sealed class TlsListener : IAsyncDisposable
{
    private readonly TempDirectory directory;

    private TlsListener(TempDirectory directory, TestAuthority authority, MllpRig rig)
    {
        this.directory = directory;
        Authority = authority;
        Rig = rig;
    }

    internal TestAuthority Authority { get; }

    internal MllpRig Rig { get; }

    internal static async Task<TlsListener> StartAsync(
        IReadOnlyList<FeedRoute>? routes = null, bool required = false, Func<TestAuthority, string>? authority = null)
    {
        var files = new TempDirectory();
        var own = new TestAuthority("Operator");
        using var certificate = own.Issue("localhost");
        string Write(string name, string pem)
        {
            var path = Path.Combine(files.Path, name);
            File.WriteAllText(path, pem);
            return path;
        }

        var tls = new MllpTlsOptions(
            Write("certificate.pem", certificate.ExportCertificatePem()),
            Write("key.pem", certificate.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem()),
            authority is null ? null : Write("authority.pem", authority(own)),
            required);
        return new TlsListener(files, own, await MllpRig.StartAsync(routes, tls: tls));
    }

    public async ValueTask DisposeAsync()
    {
        await Rig.DisposeAsync();
        Authority.Dispose();
        directory.Dispose();
    }
}

/// <summary>TLS, and certificates that are bound to feeds.</summary>
public sealed class TlsTests
{
    [Fact]
    public async Task A_certificate_opens_the_feed_that_names_it_and_no_other()
    {
        using var lab = Engine("lab");
        using var stranger = Engine("stranger");
        await using var tls = await TlsListener.StartAsync(
        [
            MllpRig.Route(new FeedMatch { CertificateSha256 = [Digest(lab)], SendingApplication = "LAB" }, feed: "lab"),
            MllpRig.Route(new FeedMatch { Listener = FeedListener.Tls, SendingApplication = "EPIC" }, tenant: "other", feed: "adt"),
        ]);
        await using var known = await tls.Rig.ConnectTlsAsync(lab);
        (await known.AskAsync(Lab("1"))).Code.ShouldBe("AA");
        (await known.AskAsync(Messages.Adt("2"))).Code.ShouldBe("AR"); // its MSH-3 says that it is another tenant's
        await using var unknown = await tls.Rig.ConnectTlsAsync(stranger);
        (await unknown.AskAsync(Lab("3"))).Code.ShouldBe("AR");
        await using var none = await tls.Rig.ConnectTlsAsync();
        (await none.AskAsync(Lab("4"))).Code.ShouldBe("AR");
        (await none.AskAsync(Messages.Adt("5"))).Code.ShouldBe("AA");
        tls.Rig.Kept.Select(kept => $"{kept.Route.Tenant}/{kept.Route.Feed} {kept.ControlId}").ShouldBe(["st-mary/lab 1", "other/adt 5"]);
        tls.Rig.Refusals.Select(refusal => refusal.CertificateSha256).ShouldBe([Digest(lab), Digest(stranger), null]);
        tls.Rig.Refusals.ShouldAllBe(refusal => refusal.Listener == FeedListener.Tls);
    }

    [Fact]
    public async Task A_certificate_that_is_no_longer_valid_is_not_let_in()
    {
        using var old = Engine("old", notAfterDays: -1);
        await using var tls = await TlsListener.StartAsync();
        await ShouldBeRefusedAsync(() => tls.Rig.ConnectTlsAsync(old));
    }

    [Fact]
    public async Task Where_certificates_are_required_nobody_is_let_in_without_one()
    {
        using var engine = Engine("engine");
        await using var tls = await TlsListener.StartAsync(required: true);
        await ShouldBeRefusedAsync(() => tls.Rig.ConnectTlsAsync());
        await using var known = await tls.Rig.ConnectTlsAsync(engine);
        (await known.AskAsync(Messages.Adt("1"))).Code.ShouldBe("AA");
    }

    [Fact]
    public async Task Where_an_authority_is_named_only_its_certificates_are_let_in()
    {
        using var engine = Engine("engine");
        await using var tls = await TlsListener.StartAsync(
            required: true, authority: static _ => Engine("authority").ExportCertificatePem());
        await ShouldBeRefusedAsync(() => tls.Rig.ConnectTlsAsync(engine));
    }

    [Fact]
    public async Task Garbage_instead_of_a_handshake_harms_nobody()
    {
        await using var tls = await TlsListener.StartAsync();
        await using var neighbour = await tls.Rig.ConnectTlsAsync();
        (await neighbour.AskAsync(Messages.Adt("1"))).Code.ShouldBe("AA");
        var hello = (byte[])[0x16, 0x03, 0x01, 0xFF, 0xFF, .. new byte[400]];
        foreach (var garbage in new[] { Sender.Frame(Messages.Adt("plain")), new byte[5000], hello })
        {
            await using var sender = await tls.Rig.ConnectAsync();
            await sender.WriteAsync(garbage);
            sender.Socket.Shutdown(System.Net.Sockets.SocketShutdown.Send);
            await DrainAsync(sender);
        }

        (await neighbour.AskAsync(Messages.Adt("2"))).Code.ShouldBe("AA");
        tls.Rig.Kept.Select(kept => kept.ControlId).ShouldBe(["1", "2"]);
    }

    [Fact]
    public async Task Large_and_pipelined_messages_pass_through_TLS()
    {
        await using var tls = await TlsListener.StartAsync();
        await using var sender = await tls.Rig.ConnectTlsAsync();
        var large = Messages.Adt("big") + "OBX|1|ED|PDF||^^^Base64^" + new string('A', 8 * 1024 * 1024) + "\r";
        (await sender.AskAsync(large)).ControlId.ShouldBe("big");
        await sender.WriteAsync([.. Enumerable.Range(0, 64).SelectMany(i => Sender.Frame(Messages.Adt($"{i}")))]);
        for (var i = 0; i < 64; i++)
        {
            (await sender.AckAsync()).ControlId.ShouldBe($"{i}");
        }
    }

    private static string Lab(string id) => Messages.Adt(id).Replace("|EPIC|", "|LAB|", StringComparison.Ordinal);

    private static string Digest(X509Certificate2 certificate) => certificate.GetCertHashString(HashAlgorithmName.SHA256);

    // As interface engines have them: made by themselves.
    private static X509Certificate2 Engine(string name, int notAfterDays = 30)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-30), DateTimeOffset.UtcNow.AddDays(notAfterDays));
        return X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pkcs12), null);
    }

    // With TLS 1.3 the client has finished before the listener has judged its certificate: it learns of it when it reads.
    private static async Task ShouldBeRefusedAsync(Func<Task<Sender>> connect)
    {
        try
        {
            await using var sender = await connect();
            await sender.SendAsync(Messages.Adt("refused"));
            (await sender.FrameAsync()).ShouldBeNull();
        }
        catch (Exception e) when (e is IOException or System.Security.Authentication.AuthenticationException)
        {
            // Refused during the handshake, or while writing.
        }
    }

    private static async Task DrainAsync(Sender sender)
    {
        var buffer = new byte[1024];
        try
        {
            while (await sender.Stream.ReadAsync(buffer, TestContext.Current.CancellationToken) > 0)
            {
            }
        }
        catch (IOException)
        {
            // Reset: just as well.
        }
    }
}
