using System.Collections.Concurrent;
using System.Text;
using EhrGrains.Connect.Mllp;
using EhrGrains.Contracts.Feeds;

namespace EhrGrains.Connect.Tests.Mllp;

/// <summary>What becomes of messages between the frame and the acknowledgement: order, batches, the journal's answers, the drain.</summary>
public sealed class ListenerTests
{
    private static readonly Action<MllpOptions> Impatient = static options =>
    {
        options.HoldRetryDelay = TimeSpan.FromMilliseconds(10);
        options.HoldTimeout = TimeSpan.FromSeconds(1);
    };

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Sixteen_connections_of_sixteen_outstanding_messages_are_acknowledged_in_order()
    {
        // The journal answers in an order of its own.
        await using var rig = await MllpRig.StartAsync(append: static async arrival =>
        {
            for (var turns = arrival.ControlId[^1] % 7; turns > 0; turns--)
            {
                await Task.Yield();
            }

            return new MllpReceipt(MllpOutcome.Appended);
        });
        await Task.WhenAll(Enumerable.Range(0, 16).Select(async c =>
        {
            await using var sender = await rig.ConnectAsync();
            var ids = Enumerable.Range(0, 320).Select(i => $"C{c}N{i}").ToArray();
            foreach (var id in ids[..16])
            {
                await sender.SendAsync(Messages.Adt(id));
            }

            for (var i = 0; i < ids.Length; i++)
            {
                (await sender.AckAsync()).ControlId.ShouldBe(ids[i]);
                if (i + 16 < ids.Length)
                {
                    await sender.SendAsync(Messages.Adt(ids[i + 16]));
                }
            }
        }));
        rig.Kept.Count.ShouldBe(16 * 320);
    }

    [Fact]
    public async Task Messages_of_a_batch_are_kept_together_and_not_one_after_the_other()
    {
        var arrived = 0;
        var all = new TaskCompletionSource();
        await using var rig = await MllpRig.StartAsync(append: async _ =>
        {
            if (Interlocked.Increment(ref arrived) == 16)
            {
                all.SetResult();
            }

            await all.Task;
            return new MllpReceipt(MllpOutcome.Appended);
        });
        await using var sender = await rig.ConnectAsync();
        await sender.WriteAsync([.. Enumerable.Range(0, 16).SelectMany(i => Sender.Frame(Messages.Adt($"{i}")))]);
        for (var i = 0; i < 16; i++)
        {
            (await sender.AckAsync()).ControlId.ShouldBe($"{i}");
        }
    }

    [Fact]
    public async Task More_frames_than_may_be_in_flight_are_all_answered()
    {
        var inFlight = 0;
        var most = 0;
        await using var rig = await MllpRig.StartAsync(
            append: async _ =>
            {
                most = Math.Max(most, Interlocked.Increment(ref inFlight));
                await Task.Yield();
                Interlocked.Decrement(ref inFlight);
                return new MllpReceipt(MllpOutcome.Appended);
            },
            options: options => options.FramesInFlightMax = 4);
        await using var sender = await rig.ConnectAsync();
        await sender.WriteAsync([.. Enumerable.Range(0, 50).SelectMany(i => Sender.Frame(Messages.Adt($"{i}")))]);
        for (var i = 0; i < 50; i++)
        {
            (await sender.AckAsync()).ControlId.ShouldBe($"{i}");
        }

        most.ShouldBeLessThanOrEqualTo(4);
    }

    [Theory]
    [InlineData(MllpOutcome.Appended, "AA")]
    [InlineData(MllpOutcome.Duplicate, "AA")]
    [InlineData(MllpOutcome.ControlIdReused, "AA")]
    [InlineData(MllpOutcome.OutOfSequence, "AE")]
    [InlineData(MllpOutcome.SequenceAnswered, "AE")]
    [InlineData(MllpOutcome.Unavailable, "AE")]
    public async Task The_answer_is_the_journals(MllpOutcome outcome, string code)
    {
        await using var rig = await MllpRig.StartAsync(append: _ => ValueTask.FromResult(new MllpReceipt(outcome, 7)));
        await using var sender = await rig.ConnectAsync();
        (await sender.AskAsync(Messages.Adt("1"))).ShouldSatisfyAllConditions(
            ack => ack.Code.ShouldBe(code), ack => ack.Expected.ShouldBe("7"));
    }

    [Fact]
    public async Task A_number_is_asked_for_with_a_bare_header_and_read_only_where_the_feed_has_numbers()
    {
        var numbers = new ConcurrentQueue<long?>();
        var numbered = MllpRig.Route(new FeedMatch { SendingApplication = "EPIC" });
        numbered = numbered with { Spec = numbered.Spec with { SequenceNumbers = true } };
        await using var rig = await MllpRig.StartAsync([numbered, MllpRig.Route(feed: "other")], arrival =>
        {
            numbers.Enqueue(arrival.Sequence);
            return ValueTask.FromResult(new MllpReceipt(arrival.Sequence == 0 ? MllpOutcome.SequenceAnswered : MllpOutcome.Appended, 12));
        });
        await using var sender = await rig.ConnectAsync();
        (await sender.AskAsync(Messages.Header("1", sequence: "0"))).ShouldSatisfyAllConditions(
            ack => ack.Code.ShouldBe("AA"), ack => ack.Expected.ShouldBe("12"));
        await sender.AskAsync(Messages.Header("2", sequence: "12") + "PID|1\r");
        await sender.AskAsync(Messages.Header("3", sequence: "13").Replace("|EPIC|", "|LAB|", StringComparison.Ordinal));
        numbers.ShouldBe([0, 12, null]);
    }

    [Fact]
    public async Task A_journal_that_throws_is_unavailable_and_its_neighbours_are_served()
    {
        await using var rig = await MllpRig.StartAsync(append: arrival =>
            arrival.ControlId == "bad"
                ? throw new InvalidOperationException("DOE^JANE")
                : ValueTask.FromResult(new MllpReceipt(MllpOutcome.Appended)));
        await using var sender = await rig.ConnectAsync();
        await sender.WriteAsync(
            [.. Sender.Frame(Messages.Adt("a")), .. Sender.Frame(Messages.Adt("bad")), .. Sender.Frame(Messages.Adt("b"))]);
        (await sender.AckAsync()).Code.ShouldBe("AA");
        (await sender.AckAsync()).ShouldSatisfyAllConditions(
            ack => ack.Code.ShouldBe("AE"),
            ack => ack.ControlId.ShouldBe("bad"),
            ack => ack.Error.ShouldBe("207"),
            ack => ack.Raw.ShouldNotContain("DOE"));
        (await sender.AckAsync()).Code.ShouldBe("AA");
    }

    [Fact]
    public async Task A_feed_that_holds_answers_when_the_journal_is_back_and_keeps_the_order()
    {
        var asked = 0;
        await using var rig = await MllpRig.StartAsync(
            [MllpRig.Route(whenUnavailable: UnavailablePolicy.Hold)],
            _ => ValueTask.FromResult(new MllpReceipt(
                Interlocked.Increment(ref asked) <= 3 ? MllpOutcome.Unavailable : MllpOutcome.Appended)),
            options: Impatient);
        await using var sender = await rig.ConnectAsync();
        await sender.WriteAsync([.. Sender.Frame(Messages.Adt("a")), .. Sender.Frame(Messages.Adt("b"))]);
        (await sender.AckAsync()).ShouldSatisfyAllConditions(ack => ack.Code.ShouldBe("AA"), ack => ack.ControlId.ShouldBe("a"));
        (await sender.AckAsync()).ControlId.ShouldBe("b");
        rig.Kept.Where(kept => kept.Outcome == MllpOutcome.Appended).Select(kept => kept.ControlId).ShouldBe(["a", "b"]);
    }

    [Fact]
    public async Task A_message_that_waits_too_long_is_never_answered_and_its_connection_is_closed()
    {
        await using var rig = await MllpRig.StartAsync(
            [
                MllpRig.Route(new FeedMatch { SendingApplication = "EPIC" }, UnavailablePolicy.Hold),
                MllpRig.Route(new FeedMatch { SendingApplication = "LAB" }, feed: "lab"),
            ],
            arrival => ValueTask.FromResult(new MllpReceipt(
                arrival.Route.Feed.Value == "lab" ? MllpOutcome.Appended : MllpOutcome.Unavailable)),
            options: Impatient);
        await using var sender = await rig.ConnectAsync();
        await using var neighbour = await rig.ConnectAsync();
        await sender.SendAsync(Messages.Adt("a"));
        (await neighbour.AskAsync(Messages.Adt("n").Replace("|EPIC|", "|LAB|", StringComparison.Ordinal))).Code.ShouldBe("AA");
        (await sender.FrameAsync()).ShouldBeNull();
    }

    [Fact]
    public async Task A_message_whose_sender_wants_no_answer_waits_too_for_else_it_would_be_lost_without_a_word()
    {
        var asked = 0;
        await using var rig = await MllpRig.StartAsync(
            append: arrival => ValueTask.FromResult(new MllpReceipt(
                arrival.ControlId == "a" && Interlocked.Increment(ref asked) <= 2 ? MllpOutcome.Unavailable : MllpOutcome.Appended)),
            options: Impatient);
        await using var sender = await rig.ConnectAsync();
        await sender.WriteAsync([.. Sender.Frame(Messages.Adt("a", "NE", "NE")), .. Sender.Frame(Messages.Adt("b"))]);
        (await sender.AckAsync()).ShouldSatisfyAllConditions(ack => ack.Code.ShouldBe("AA"), ack => ack.ControlId.ShouldBe("b"));
        rig.Kept.Where(kept => kept.Outcome == MllpOutcome.Appended).Select(kept => kept.ControlId).ShouldBe(["a", "b"]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_message_of_no_feed_is_refused_and_audited_and_refused_when_the_audit_fails_too(bool auditFails)
    {
        await using var rig = await MllpRig.StartAsync(
            [MllpRig.Route(new FeedMatch { SendingApplication = "LAB" })], auditFails: auditFails);
        await using var sender = await rig.ConnectAsync();
        (await sender.AskAsync(Messages.Adt("1"))).ShouldSatisfyAllConditions(
            ack => ack.Code.ShouldBe("AR"), ack => ack.Error.ShouldBe("204"));
        (await sender.AskAsync(Messages.Adt("2", "AL"))).Code.ShouldBe("CR");
        rig.Refusals.Count.ShouldBe(2);
        rig.Refusals[0].ShouldSatisfyAllConditions(
            refusal => refusal.Reason.ShouldBe(MllpRefusalReason.NoFeed),
            refusal => refusal.Listener.ShouldBe(FeedListener.Plain),
            refusal => refusal.RemoteAddress.ShouldBe("127.0.0.1"),
            refusal => refusal.Bytes.ShouldBe(Messages.Adt("1").Length));
        rig.Kept.ShouldBeEmpty();
    }

    [Fact]
    public async Task Release_2_gets_its_commit_block_before_the_acknowledgement()
    {
        var route = MllpRig.Route();
        await using var rig = await MllpRig.StartAsync(
            [route with { Spec = route.Spec with { CommitBytes = true } }],
            arrival => ValueTask.FromResult(new MllpReceipt(arrival.ControlId == "bad" ? MllpOutcome.Unavailable : MllpOutcome.Appended)));
        await using var sender = await rig.ConnectAsync();
        await sender.SendAsync(Messages.Adt("a"));
        (await sender.FrameAsync()).ShouldBe([0x06]);
        await sender.WriteAsync(0x0B, 0x06, 0x1C, 0x0D); // the sender commits our acknowledgement: that is not a message
        (await sender.AckAsync()).Code.ShouldBe("AA");
        await sender.SendAsync(Messages.Adt("bad", "NE", "NE"));
        (await sender.FrameAsync()).ShouldBe([0x15]);
        await sender.SendAsync(Messages.Adt("b"));
        (await sender.FrameAsync()).ShouldBe([0x06]);
    }

    [Fact]
    public async Task Stopping_finishes_and_acknowledges_what_is_under_way_and_takes_nothing_more()
    {
        var begun = new TaskCompletionSource();
        var journal = new TaskCompletionSource();
        await using var rig = await MllpRig.StartAsync(append: async _ =>
        {
            begun.TrySetResult();
            await journal.Task;
            return new MllpReceipt(MllpOutcome.Appended);
        });
        await using var sender = await rig.ConnectAsync();
        await using var idle = await rig.ConnectAsync();
        await sender.SendAsync(Messages.Adt("1"));
        await begun.Task.WaitAsync(Stop);
        await sender.SendAsync(Messages.Adt("2"));
        var stopped = rig.StopAsync(Stop);
        (await idle.FrameAsync()).ShouldBeNull(); // the drain has begun
        journal.SetResult();
        (await sender.AckAsync()).ControlId.ShouldBe("1");
        (await sender.FrameAsync()).ShouldBeNull();
        await stopped;
        rig.Kept.ShouldHaveSingleItem();
        rig.Listener.ConnectionCount.ShouldBe(0);
    }

    [Fact]
    public async Task Acknowledgements_have_ids_of_their_own()
    {
        await using var rig = await MllpRig.StartAsync();
        await using var sender = await rig.ConnectAsync();
        var ids = new HashSet<string>();
        for (var i = 0; i < 50; i++)
        {
            ids.Add((await sender.AskAsync(Messages.Adt($"{i}"))).OwnId).ShouldBeTrue();
        }
    }

    [Fact]
    public async Task What_a_connection_learned_of_one_sender_is_not_used_for_another()
    {
        await using var rig = await MllpRig.StartAsync(
            [
                MllpRig.Route(new FeedMatch { SendingApplication = "EPIC" }),
                MllpRig.Route(new FeedMatch { SendingFacility = "NORTH" }, feed: "north"),
            ]);
        await using var sender = await rig.ConnectAsync();
        await sender.AskAsync(Messages.Adt("1"));
        await sender.AskAsync(Messages.Adt("2"));
        await sender.AskAsync(Messages.Adt("3").Replace("|EPIC|STMARY|", "|LAB|NORTH|", StringComparison.Ordinal));
        (await sender.AskAsync(Messages.Adt("4").Replace("|EPIC|STMARY|", "|LAB|STMARY|", StringComparison.Ordinal))).Code.ShouldBe("AR");
        rig.Kept.Select(kept => $"{kept.Route.Feed} {kept.Sender}").ShouldBe(["adt EPIC|STMARY", "adt EPIC|STMARY", "north LAB|NORTH"]);
    }

    [Fact]
    public async Task An_arrival_does_not_print_what_it_holds()
    {
        string? printed = null;
        await using var rig = await MllpRig.StartAsync(append: arrival =>
        {
            printed = arrival.ToString();
            return ValueTask.FromResult(new MllpReceipt(MllpOutcome.Appended));
        });
        await using var sender = await rig.ConnectAsync();
        var message = Messages.Adt("MRN1234");
        await sender.AskAsync(message);
        printed.ShouldBe($"st-mary/adt, {Encoding.UTF8.GetByteCount(message)} bytes");
    }
}
