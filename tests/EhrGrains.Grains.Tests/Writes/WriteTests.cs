using System.Text;
using System.Text.Json.Nodes;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Writes;

namespace EhrGrains.Grains.Tests.Writes;

/// <summary>Resources that are written back, at hospitals that lose answers, refuse, and change what is to be changed.</summary>
public sealed class WriteTests(WriteHospitals hospitals) : IClassFixture<WriteHospitals>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(WriteHospitals.Oracle, "W/\"1\"")]
    [InlineData(WriteHospitals.Epic, null)]
    public async Task A_write_is_taken_read_back_and_known_when_it_is_given_again(string vendor, string? version)
    {
        var (patient, before) = (await hospitals.PatientAsync(vendor), await hospitals.WrittenAsync(vendor));
        var write = hospitals.Weight(vendor, patient, 71.25m, "taken");

        var receipt = await hospitals.SendAsync(vendor, write);

        Explain(receipt).ShouldBe("Confirmed");
        receipt.ETag.ShouldBe(version);
        receipt.Differences.ShouldBeEmpty();
        var found = (await hospitals.FindAsync(vendor, patient, "71.25")).ShouldHaveSingleItem();
        found["identifier"]!.AsArray().Count.ShouldBe(1);
        var again = await hospitals.SendAsync(vendor, write);
        (again.Number, again.IsRepeat, again.Id).ShouldBe((receipt.Number, true, receipt.Id));
        (await hospitals.WrittenAsync(vendor)).ShouldBe(before + 1);

        var other = await Should.ThrowAsync<ProblemException>(() => hospitals.SendAsync(vendor, write with { Resource = Body(patient, 72m) }));
        (other.Kind, other.Problems[0].Code).ShouldBe((ProblemKind.CheckFailed, "EHR-WRT-023"));
    }

    [Theory]
    [InlineData("athenahealth", """{"resourceType":"QuestionnaireResponse","status":"completed","questionnaire":"https://forms.test/intake","authored":"2026-05-04T08:30:00Z"}""")]
    [InlineData("meditech", """{"resourceType":"QuestionnaireResponse","status":"completed","questionnaire":"https://forms.test/intake","authored":"2026-05-04T08:30:00Z"}""")]
    [InlineData("modmed-ema", """{"resourceType":"AllergyIntolerance","code":{"text":"Penicillin"}}""")]
    public async Task Products_that_take_little_take_that_and_nothing_else_is_sent(string vendor, string content)
    {
        var (patient, before) = (await hospitals.PatientAsync(vendor), await hospitals.WrittenAsync(vendor));
        var resource = JsonNode.Parse(content)!.AsObject();
        var type = (string)resource["resourceType"]!;
        resource[type == "AllergyIntolerance" ? "patient" : "subject"] = new JsonObject { ["reference"] = $"Patient/{patient}" };
        var weight = hospitals.Weight(vendor, patient, 71.25m, "little");

        var receipt = await hospitals.SendAsync(vendor, weight with { Type = type, Resource = Encoding.UTF8.GetBytes(resource.ToJsonString()) });

        Explain(receipt).ShouldBe("Confirmed");
        receipt.Differences.ShouldBeEmpty();
        (await hospitals.WrittenAsync(vendor)).ShouldBe(before + 1);
        var refused = await Should.ThrowAsync<ProblemException>(() => hospitals.SendAsync(vendor, weight with { IdempotencyKey = "refused" }));
        refused.Problems.ShouldContain(problem => problem.Code.StartsWith("EHR-WRT-", StringComparison.Ordinal));
        (await hospitals.WrittenAsync(vendor)).ShouldBe(before + 1);
    }

    [Fact]
    public async Task Who_waits_longer_than_another_is_told_when_the_write_has_ended()
    {
        var patient = await hospitals.PatientAsync(WriteHospitals.Oracle);
        await hospitals.MisbehaveAsync(WriteHospitals.Oracle, new { kind = "unavailable", operation = "create", retryAfter = "0" });
        var write = hospitals.Weight(WriteHospitals.Oracle, patient, 84.5m, "two wait");
        var longer = hospitals.SendAsync(WriteHospitals.Oracle, write with { WaitSeconds = 30 });
        (await hospitals.SendAsync(WriteHospitals.Oracle, write with { WaitSeconds = 1 })).SettledAt.ShouldBeNull();

        await hospitals.MisbehaveAsync(WriteHospitals.Oracle);

        (await longer.WaitAsync(TimeSpan.FromSeconds(20), Ct)).SettledAt.ShouldNotBeNull();
    }

    [Fact]
    public async Task An_answer_that_was_lost_is_looked_for_and_nothing_is_written_twice()
    {
        foreach (var vendor in new[] { WriteHospitals.Oracle, WriteHospitals.Epic })
        {
            var (patient, before) = (await hospitals.PatientAsync(vendor), await hospitals.WrittenAsync(vendor));
            await hospitals.MisbehaveAsync(vendor, new { kind = "answer-lost", operation = "create", times = 1 });

            var receipt = await hospitals.EndAsync(vendor, hospitals.Weight(vendor, patient, 80.5m, "lost"));

            Explain(receipt).ShouldBe("Confirmed", vendor);
            receipt.Tries.ShouldBe(1);
            (await hospitals.WrittenAsync(vendor)).ShouldBe(before + 1);
            (await hospitals.FindAsync(vendor, patient, "80.5")).Length.ShouldBe(1);
        }
    }

    [Fact]
    public async Task What_waits_is_not_sent_once_the_grant_that_let_it_in_is_gone()
    {
        var (patient, before) = (await hospitals.PatientAsync(WriteHospitals.Oracle), await hospitals.WrittenAsync(WriteHospitals.Oracle));
        await hospitals.MisbehaveAsync(WriteHospitals.Oracle, new { kind = "unavailable", operation = "create", retryAfter = "0" });
        var write = hospitals.Weight(WriteHospitals.Oracle, patient, 83.5m, "revoked") with { WaitSeconds = 0 };
        var waiting = await hospitals.SendAsync(WriteHospitals.Oracle, write);

        await hospitals.GrantAsync(WriteHospitals.Oracle, null);
        var end = await hospitals.ShownAsync(WriteHospitals.Oracle, waiting.Number, receipt => receipt.SettledAt is not null);
        (end.State, end.Problems[0].Code).ShouldBe((WriteState.Cancelled, "EHR-WRT-047"));
        await hospitals.MisbehaveAsync(WriteHospitals.Oracle);
        (await hospitals.WrittenAsync(WriteHospitals.Oracle)).ShouldBe(before);

        await hospitals.GrantAsync(WriteHospitals.Oracle, WriteHospitals.Scopes);
        await hospitals.AsAdminAsync(async () =>
        {
            await hospitals.Writes(WriteHospitals.Oracle).RetryAsync(waiting.Number, Ct);
            return true;
        });
        Explain(await hospitals.ShownAsync(WriteHospitals.Oracle, waiting.Number, receipt => receipt.SettledAt is not null)).ShouldBe("Confirmed");
        (await hospitals.WrittenAsync(WriteHospitals.Oracle)).ShouldBe(before + 1);
    }

    [Fact]
    public async Task A_write_that_never_arrived_is_sent_again_where_that_can_be_known()
    {
        var (patient, before) = (await hospitals.PatientAsync(WriteHospitals.Oracle), await hospitals.WrittenAsync(WriteHospitals.Oracle));
        await hospitals.MisbehaveAsync(WriteHospitals.Oracle, new { kind = "hangup", operation = "create", times = 1 });

        var receipt = await hospitals.EndAsync(WriteHospitals.Oracle, hospitals.Weight(WriteHospitals.Oracle, patient, 81.5m, "never"));

        Explain(receipt).ShouldBe("Confirmed");
        receipt.Tries.ShouldBe(2);
        (await hospitals.WrittenAsync(WriteHospitals.Oracle)).ShouldBe(before + 1);
    }

    [Fact]
    public async Task Where_it_cannot_be_known_it_is_said_to_be_unknown_until_someone_has_looked()
    {
        var (patient, before) = (await hospitals.PatientAsync(WriteHospitals.Epic), await hospitals.WrittenAsync(WriteHospitals.Epic));
        await hospitals.MisbehaveAsync(WriteHospitals.Epic, new { kind = "hangup", operation = "create", times = 1 });
        var write = hospitals.Weight(WriteHospitals.Epic, patient, 82.5m, "unknown");

        var receipt = await hospitals.EndAsync(WriteHospitals.Epic, write);

        receipt.State.ShouldBe(WriteState.Unknown);
        receipt.Problems[0].Code.ShouldBe("EHR-WRT-042");
        (await hospitals.WrittenAsync(WriteHospitals.Epic)).ShouldBe(before);
        var listed = await hospitals.AsAdminAsync(() => hospitals.Writes(WriteHospitals.Epic).ListAsync(0, WriteState.Unknown, 10, Ct));
        listed.ShouldHaveSingleItem().Number.ShouldBe(receipt.Number);

        await hospitals.AsAdminAsync(async () =>
        {
            await hospitals.Writes(WriteHospitals.Epic).RetryAsync(receipt.Number, Ct);
            return true;
        });
        Explain(await hospitals.EndAsync(WriteHospitals.Epic, write)).ShouldBe("Confirmed");
        (await hospitals.WrittenAsync(WriteHospitals.Epic)).ShouldBe(before + 1);
        var refusal = await Should.ThrowAsync<ProblemException>(() => hospitals.AsAdminAsync(async () =>
        {
            await hospitals.Writes(WriteHospitals.Epic).RetryAsync(receipt.Number, Ct);
            return true;
        }));
        refusal.Problems[0].Code.ShouldBe("EHR-WRT-034");
    }

    [Fact]
    public async Task An_update_changes_the_version_that_it_names_and_no_other()
    {
        const string Vendor = WriteHospitals.Oracle;
        var patient = await hospitals.PatientAsync(Vendor);
        var created = await hospitals.SendAsync(Vendor, hospitals.Weight(Vendor, patient, 90.5m, "to-update"));
        Explain(created).ShouldBe("Confirmed");
        var update = hospitals.Weight(Vendor, patient, 0m, "update-1") with { Id = created.Id, IfMatch = created.ETag, Resource = Body(patient, 91.5m, created.Id) };

        var changed = await hospitals.SendAsync(Vendor, update);
        var stale = await hospitals.SendAsync(Vendor, update with { IdempotencyKey = "update-2", Resource = Body(patient, 92.5m, created.Id) });

        (Explain(changed), changed.ETag, changed.Id).ShouldBe(("Confirmed", "W/\"2\"", created.Id));
        (stale.State, stale.ETag).ShouldBe((WriteState.Conflict, "W/\"2\""));
        (await hospitals.FindAsync(Vendor, patient, "91.5")).Length.ShouldBe(1);
        (await hospitals.FindAsync(Vendor, patient, "92.5")).ShouldBeEmpty();

        await hospitals.MisbehaveAsync(Vendor, new { kind = "answer-lost", operation = "update", times = 1 });
        var lost = await hospitals.EndAsync(Vendor, update with { IdempotencyKey = "update-3", IfMatch = "W/\"2\"", Resource = Body(patient, 93.5m, created.Id) });
        (Explain(lost), lost.ETag, lost.Tries).ShouldBe(("Confirmed", "W/\"3\"", 1));
    }

    [Fact]
    public async Task Everything_that_is_wrong_is_said_at_once_and_nothing_is_stored()
    {
        const string Vendor = WriteHospitals.Oracle;
        var patient = await hospitals.PatientAsync(Vendor);
        var bad = WriteHospitals.Observation(patient, 1m);
        bad["status"] = "no-such-status";
        bad["category"]![0]!["coding"]![0]!["code"] = "survey";
        bad["performer"] = new JsonArray(new JsonObject { ["reference"] = "https://elsewhere.example/Practitioner/1" });
        bad["modifierExtension"] = new JsonArray(new JsonObject { ["url"] = "urn:x", ["valueBoolean"] = true });
        bad["colour"] = "green";
        var write = hospitals.Weight(Vendor, patient, 0m, "bad") with { Resource = Encoding.UTF8.GetBytes(bad.ToJsonString()) };

        var refusal = await Should.ThrowAsync<ProblemException>(() => hospitals.SendAsync(Vendor, write));

        refusal.Kind.ShouldBe(ProblemKind.Invalid);
        refusal.Problems.Select(problem => problem.Code).Distinct().Order(StringComparer.Ordinal)
            .ShouldBe(["EHR-WRT-005", "EHR-WRT-010", "EHR-WRT-013", "EHR-WRT-014"]);
        refusal.Problems.ShouldContain(problem => problem.Path.Contains("colour", StringComparison.Ordinal) || problem.Path == "Observation");
        refusal.Message.ShouldNotContain("no-such-status");
        (await hospitals.AsAppAsync(() => hospitals.Writes(Vendor).CheckAsync(write, Ct))).Length.ShouldBe(refusal.Problems.Length);

        var nobody = hospitals.Weight(Vendor, "no-such-patient", 1m, "nobody");
        (await hospitals.AsAppAsync(() => hospitals.Writes(Vendor).CheckAsync(nobody, Ct))).ShouldHaveSingleItem().Code.ShouldBe("EHR-WRT-031");
        var sent = await hospitals.SendAsync(Vendor, nobody);
        (sent.State, sent.Status).ShouldBe((WriteState.Refused, 422));

        (await RefusedAsync(write with { Type = "Condition" })).ShouldBe((ProblemKind.Forbidden, "EHR-QRY-003"));
        (await RefusedAsync(hospitals.Weight(Vendor, patient, 1m, "v") with { Id = "x", Resource = Body(patient, 1m, "x") })).ShouldBe((ProblemKind.Invalid, "EHR-WRT-027"));
        using var stranger = hospitals.Cluster.Enter("app", AppRole.Application, "system/*.rs");
        (await Should.ThrowAsync<ProblemException>(() => hospitals.Writes(Vendor).SendAsync(hospitals.Weight(Vendor, patient, 1m, "s"), Ct))).Kind.ShouldBe(ProblemKind.Forbidden);

        async Task<(ProblemKind, string)> RefusedAsync(FhirWrite refused)
        {
            var e = await Should.ThrowAsync<ProblemException>(() => hospitals.SendAsync(Vendor, refused));
            return (e.Kind, e.Problems[0].Code);
        }
    }

    [Fact]
    public async Task Writes_of_one_patient_arrive_in_the_order_in_which_they_were_accepted_whatever_comes_between()
    {
        const string Vendor = WriteHospitals.Epic;
        var patient = await hospitals.PatientAsync(Vendor, 1);
        await hospitals.MisbehaveAsync(
            Vendor,
            new { kind = "too-many-requests", operation = "create", times = 1, retryAfter = "0" },
            new { kind = "unavailable", operation = "create", times = 1, retryAfter = "0" });
        FhirWrite[] writes = [.. Enumerable.Range(0, 6).Select(i => hospitals.Weight(Vendor, patient, 100.5m + i, $"order-{i}"))];
        foreach (var write in writes)
        {
            (await hospitals.SendAsync(Vendor, write with { WaitSeconds = 0 })).State.ShouldNotBe(WriteState.Refused);
        }

        var receipts = new List<WriteReceipt>();
        foreach (var write in writes)
        {
            receipts.Add(await hospitals.EndAsync(Vendor, write));
        }

        receipts.ShouldAllBe(receipt => receipt.State == WriteState.Confirmed);
        receipts.Select(receipt => receipt.Number).ShouldBeInOrder();

        receipts.Select(receipt => receipt.SettledAt!.Value).ShouldBeInOrder();
        foreach (var i in Enumerable.Range(0, 6))
        {
            (await hospitals.FindAsync(Vendor, patient, $"{100 + i}.5")).Length.ShouldBe(1);
        }
    }

    [Fact]
    public async Task A_write_that_waits_can_be_cancelled_and_one_that_is_written_cannot()
    {
        const string Vendor = WriteHospitals.Epic;
        var (patient, before) = (await hospitals.PatientAsync(Vendor, 2), await hospitals.WrittenAsync(Vendor));
        await hospitals.MisbehaveAsync(Vendor, new { kind = "unavailable", operation = "create", retryAfter = "5" });
        var write = hospitals.Weight(Vendor, patient, 60.5m, "cancel") with { WaitSeconds = 0 };
        var accepted = await hospitals.SendAsync(Vendor, write);
        try
        {
            for (var receipt = accepted; receipt.State == WriteState.Sending || receipt.Problems.Length == 0;)
            {
                Ct.ThrowIfCancellationRequested();
                receipt = await hospitals.SendAsync(Vendor, write with { WaitSeconds = 1 });
            }

            await CancelAsync(accepted.Number);
            (await hospitals.SendAsync(Vendor, write)).State.ShouldBe(WriteState.Cancelled);
            (await Should.ThrowAsync<ProblemException>(() => CancelAsync(accepted.Number))).Problems[0].Code.ShouldBe("EHR-WRT-035");
        }
        finally
        {
            await hospitals.MisbehaveAsync(Vendor);
        }

        (await hospitals.WrittenAsync(Vendor)).ShouldBe(before);

        Task<bool> CancelAsync(long number) => hospitals.AsAdminAsync(async () =>
        {
            await hospitals.Writes(Vendor).CancelAsync(number, Ct);
            return true;
        });
    }

    [Fact]
    public async Task An_outbox_that_is_cut_off_anywhere_writes_everything_exactly_once()
    {
        const string Vendor = WriteHospitals.Oracle;
        const int Count = 8;
        var (patient, before) = (await hospitals.PatientAsync(Vendor, 1), await hospitals.WrittenAsync(Vendor));
        var random = new Random(11);
        FhirWrite[] writes = [.. Enumerable.Range(0, Count).Select(i => hospitals.Weight(Vendor, patient, 200.5m + i, $"cut-{i}"))];
        await hospitals.MisbehaveAsync(Vendor, new { kind = "late-answer", operation = "create", milliseconds = 30 });
        foreach (var write in writes)
        {
            await hospitals.SendAsync(Vendor, write with { WaitSeconds = 0 });
        }

        // Each round begins anew, at another place of one write's way.
        for (var i = 0; i < 2 * Count; i++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(random.Next(1, 40)), TimeProvider.System, Ct);
            await hospitals.CutOffAsync(Vendor);
            await hospitals.SendAsync(Vendor, writes[i % Count] with { WaitSeconds = 0 });
        }

        await hospitals.MisbehaveAsync(Vendor);

        foreach (var write in writes)
        {
            Explain(await hospitals.EndAsync(Vendor, write)).ShouldBe("Confirmed");
        }

        (await hospitals.WrittenAsync(Vendor)).ShouldBe(before + Count);
    }

    [Fact]
    public async Task The_copy_of_a_patient_has_what_was_written_soon_after()
    {
        const string Vendor = WriteHospitals.Oracle;
        var patient = await hospitals.PatientAsync(Vendor, 2);
        await hospitals.AsAdminAsync(() => hospitals.Cluster.Grains().GetGrain<ITenantSyncGrain>(GrainKeys.Tenant(hospitals.Tenant(Vendor)))
            .EnrolAsync([PatientId.Parse(patient, null)], Ct));
        await UntilAsync(copy => copy is not null);

        Explain(await hospitals.SendAsync(Vendor, hospitals.Weight(Vendor, patient, 48.625m, "copy"))).ShouldBe("Confirmed");

        await UntilAsync(copy => copy?.Contains("48.625", StringComparison.Ordinal) == true);

        // Within its own schedule, which is hours, it would not come.
        async Task UntilAsync(Func<string?, bool> holds)
        {
            using var late = CancellationTokenSource.CreateLinkedTokenSource(Ct);
            late.CancelAfter(TimeSpan.FromSeconds(30));
            while (!holds(await hospitals.CopyAsync(Vendor, patient)))
            {
                await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, late.Token);
            }
        }
    }

    private static string Explain(WriteReceipt receipt) =>
        receipt.State == WriteState.Confirmed ? "Confirmed" : $"{receipt.State}: {string.Join("; ", receipt.Problems.Select(problem => $"{problem.Code} {problem.Path} {problem.Message}"))}";

    private static byte[] Body(string patient, decimal kilograms, string? id = null)
    {
        var resource = WriteHospitals.Observation(patient, kilograms);
        if (id is not null)
        {
            resource["id"] = id;
        }

        return Encoding.UTF8.GetBytes(resource.ToJsonString());
    }
}
