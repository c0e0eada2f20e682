using CsCheck;
using EhrGrains.Contracts.Changes;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Webhooks;
using EhrGrains.Grains.Webhooks;
using EhrGrains.Testing;

namespace EhrGrains.Grains.Tests.Webhooks;

/// <summary>The parts of webhooks that are pure: waits, cuts, signatures.</summary>
public sealed class DeliveryRulesTests
{
    private static readonly DateTimeOffset At = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    [Fact]
    public void The_waits_are_those_that_are_published()
    {
        var published = string.Join(", ", DeliveryPolicy.Delays.Select(delay =>
            delay < TimeSpan.FromMinutes(1) ? $"{delay.TotalSeconds} s" : delay < TimeSpan.FromHours(1) ? $"{delay.TotalMinutes} min" : $"{delay.TotalHours} h"));
        var page = File.ReadAllText(Path.Combine(SharedData.RepositoryRoot(), "docs", "webhooks.md"));
        page.ShouldContain($"after {published} and then every {DeliveryPolicy.Delays[^1].TotalHours} h");
        page.ShouldContain($"After {DeliveryPolicy.GiveUpAfter.TotalHours} h the webhook gives up");
    }

    [Fact]
    public void A_wait_grows_stays_within_a_fifth_and_is_never_shorter_than_asked_for() =>
        Gen.Select(Gen.Int[1, 50], Gen.Double[0, 1], Gen.Int[0, 100_000]).Sample((failures, chance, asked) =>
        {
            var plain = DeliveryPolicy.Delays[Math.Min(failures, DeliveryPolicy.Delays.Length) - 1];
            var delay = DeliveryPolicy.Delay(failures, null, chance);
            delay.ShouldBeInRange(plain * 0.8, plain * 1.2);
            DeliveryPolicy.Delay(failures, TimeSpan.FromSeconds(asked), chance)
                .ShouldBe(delay > TimeSpan.FromSeconds(Math.Min(asked, 3600)) ? delay : TimeSpan.FromSeconds(Math.Min(asked, 3600)));
        });

    /// <summary>Wherever a read ends, the same changes come in the same deliveries: that is what makes a repeated id a repeated delivery.</summary>
    [Fact]
    public void However_the_changes_are_read_they_are_cut_into_the_same_deliveries() =>
        Gen.Select(Gen.Int[1, 250].Array[1, 8], Gen.Int[101, 400]).Sample((sizes, page) =>
        {
            var changes = new List<ChangeRecord>();
            foreach (var (commit, size) in sizes.Index())
            {
                changes.AddRange(Enumerable.Range(0, size).Select(_ => Change(changes.Count + 1, $"p{commit % 3}", $"adt/{commit}")));
            }

            for (var i = 0; i < changes.Count; i++)
            {
                changes[i] = changes[i] with { Seq = i + 1 };
            }

            var whole = WebhookEvent.Of(changes, isCut: false, _ => true);
            var paged = new List<WebhookEvent>();
            while (paged.Count == 0 || paged[^1].Last < changes.Count)
            {
                var rows = changes.Skip(paged.Count == 0 ? 0 : (int)paged[^1].Last).Take(page).ToArray();
                paged.AddRange(WebhookEvent.Of(rows, rows.Length == page, _ => true));
            }

            paged.Select(e => (e.First, e.Last)).ShouldBe(whole.Select(e => (e.First, e.Last)));
            whole.ShouldAllBe(e => e.Changes.Count <= WebhookEvent.ChangesMax && e.Changes.Select(c => c.Source).Distinct().Count() == 1);
        });

    [Fact]
    public void An_id_is_the_tenants_the_webhooks_and_the_first_changes() =>
        new WebhookEvent(17, 18, PatientId.Parse("p", null), []).IdAt(TenantId.Parse("st-mary", null), WebhookId.Parse("hook", null)).ShouldBe("st-mary_hook_17");

    /// <summary>The example of the specification's reference libraries.</summary>
    [Fact]
    public void A_signature_is_that_of_the_specification()
    {
        var secret = Convert.FromBase64String("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        WebhookSignatures.Sign([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, "{\"test\": 2432232314}"u8)
            .ShouldBe("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        WebhookSignatures.Sign([secret, secret], "a", 1, "b"u8).Split(' ').Length.ShouldBe(2);
    }

    [Theory]
    [InlineData("Authorization: Bearer x", true)]
    [InlineData("X-Key:y", true)]
    [InlineData("no colon", false)]
    [InlineData("Host: elsewhere", false)]
    [InlineData("webhook-signature: v1,forged", false)]
    [InlineData("A b: c", false)]
    [InlineData("A: b\r\nC: d", false)]
    public void A_header_is_one_line_and_none_of_ours(string header, bool expected) => WebhookRules.IsHeader(header).ShouldBe(expected);

    private static ChangeRecord Change(long seq, string patient, string source) =>
        new(seq, PatientId.Parse(patient, null), "Observation", "o", 1, ChangeKind.Updated, source, At);
}
