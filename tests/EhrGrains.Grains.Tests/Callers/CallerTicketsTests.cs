using System.Buffers.Text;
using System.Security.Cryptography;
using CsCheck;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Callers;
using EhrGrains.Grains.Callers;
using Microsoft.Extensions.Time.Testing;

namespace EhrGrains.Grains.Tests.Callers;

public sealed class CallerTicketsTests
{
    private static readonly byte[] Key = RandomNumberGenerator.GetBytes(32);
    private static readonly Caller App = new(AppId.Parse("my-app", null), AppRole.Operator, ["system/Patient.rs", "system/*.r"], default);

    private readonly FakeTimeProvider time = new();

    private CallerTickets Tickets => new(Key, time);

    [Fact]
    public void A_ticket_serves_its_caller_again_until_half_of_its_time_is_over()
    {
        var tickets = Tickets;
        var first = tickets.Mint(App);
        time.Advance(CallerTickets.Lifetime / 2);
        tickets.Mint(App).ShouldBeSameAs(first);
        tickets.Mint(App with { Role = AppRole.Admin }).ShouldNotBe(first, "another caller");

        time.Advance(TimeSpan.FromSeconds(1));
        tickets.Mint(App).ShouldNotBe(first);
    }

    [Fact]
    public void A_ticket_reads_as_the_caller_it_was_minted_for() =>
        Gen.Select(Gen.Int[0, 2], Gen.String[0, 40].Array[0, 20]).Sample((role, scopes) =>
        {
            Tickets.TryRead(Tickets.Mint(new Caller(App.App, (AppRole)role, scopes, default)), out var caller).ShouldBeTrue();
            caller.App.ShouldBe(App.App);
            caller.Role.ShouldBe((AppRole)role);
            caller.Scopes.ShouldBe(scopes);
            caller.IsSystem.ShouldBeFalse();
        });

    [Fact]
    public void No_bit_of_a_ticket_can_be_changed()
    {
        var ticket = Base64Url.DecodeFromChars(Tickets.Mint(App));
        for (var bit = 0; bit < ticket.Length * 8; bit++)
        {
            var forged = (byte[])ticket.Clone();
            forged[bit / 8] ^= (byte)(1 << (bit % 8));
            Tickets.TryRead(Base64Url.EncodeToString(forged), out _).ShouldBeFalse();
        }
    }

    [Fact]
    public void Nothing_that_was_not_minted_is_a_ticket()
    {
        Gen.String.Sample(text => Tickets.TryRead(text, out _).ShouldBeFalse());
        Gen.Byte.Array[0, 200].Sample(bytes => Tickets.TryRead(Base64Url.EncodeToString(bytes), out _).ShouldBeFalse());
        Tickets.TryRead(null, out _).ShouldBeFalse();
        Tickets.TryRead(new string('A', 100_000), out _).ShouldBeFalse();
    }

    [Fact]
    public void A_ticket_of_another_key_is_none() =>
        Tickets.TryRead(new CallerTickets(RandomNumberGenerator.GetBytes(32), time).Mint(App), out _).ShouldBeFalse();

    [Fact]
    public void A_ticket_ends_after_ten_minutes()
    {
        var ticket = Tickets.Mint(App);
        time.Advance(TimeSpan.FromMinutes(10) - TimeSpan.FromMilliseconds(1));
        Tickets.TryRead(ticket, out _).ShouldBeTrue();
        time.Advance(TimeSpan.FromMilliseconds(1));
        Tickets.TryRead(ticket, out _).ShouldBeFalse();
    }

    [Fact]
    public void Only_the_mint_makes_system_tickets()
    {
        Tickets.TryRead(Tickets.MintSystem(), out var system).ShouldBeTrue();
        system.IsSystem.ShouldBeTrue();

        // What a caller says of itself is carried as data: no app, role or scope makes it the system.
        Tickets.TryRead(Tickets.Mint(App with { App = AppId.Parse("system", null), Role = AppRole.Admin }), out var app).ShouldBeTrue();
        app.IsSystem.ShouldBeFalse();
    }

    [Fact]
    public void A_scope_ends_where_it_began_and_hides_the_raw_token()
    {
        RequestContext.Set(CallContext.AccessToken, "raw");
        RequestContext.Set(CallContext.Ticket, "outer");
        using (Tickets.Enter(App))
        {
            RequestContext.Get(CallContext.AccessToken).ShouldBeNull();
            Tickets.TryRead(RequestContext.Get(CallContext.Ticket) as string, out var caller).ShouldBeTrue();
            caller.App.ShouldBe(App.App);
        }

        RequestContext.Get(CallContext.AccessToken).ShouldBe("raw");
        RequestContext.Get(CallContext.Ticket).ShouldBe("outer");
        RequestContext.Clear();
    }
}
