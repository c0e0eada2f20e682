using EhrGrains.Connect.Smart;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Quirks;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Sites;
using EhrGrains.Fhir.Vendors;
using EhrGrains.Grains.Callers;
using EhrGrains.Storage.GrainStorage;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Quirks;

/// <summary>
/// A site's quirks. A look reads the CapabilityStatement, holds it against the vendor's file, hands what holds to the tenant and raises
/// an alarm for what is not as it was.
/// </summary>
[GrainType("ehr.quirks")]
internal sealed partial class QuirkLedgerGrain(
    [PersistentState("quirks", EhrGrainsStorage.Name)] IPersistentState<QuirkLedgerState> stored,
    SiteStatements statements,
    CallerTickets tickets,
    GrainMetrics metrics,
    TimeProvider time,
    ILogger<QuirkLedgerGrain> log) : Grain, IQuirkLedgerGrain, IRemindable
{
    private const string Reminder = "look";
    private const int QuirksMax = 500;
    private const int ChangesMax = 100;

    private static readonly TimeSpan Period = TimeSpan.FromDays(1);

    // A site that was just opened has other things to answer first.
    private static readonly TimeSpan FirstLook = TimeSpan.FromMinutes(10);

    private TenantId Tenant { get; set; }

    private IHospitalTenantGrain TenantGrain => GrainFactory.GetGrain<IHospitalTenantGrain>(GrainKeys.Tenant(Tenant));

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        Tenant = TenantId.TryParse(this.GetPrimaryKeyString(), out var tenant)
            ? tenant
            : throw new ProblemException(ProblemKind.NotFound, "EHR-TEN-100", "tenant", "There is no such tenant.");
        return Task.CompletedTask;
    }

    public async Task<QuirkLedger> LookAsync(CancellationToken cancellationToken)
    {
        var snapshot = await TenantGrain.GetSnapshotAsync(cancellationToken);
        if (!IsOpen(snapshot))
        {
            throw new ProblemException(
                ProblemKind.Conflict, "EHR-QRK-002", "lifecycle", "The tenant is not open: nothing is sent to the hospital now.");
        }

        return await LookAsync(snapshot, cancellationToken);
    }

    public async Task<QuirkLedger> DescribeAsync(CancellationToken cancellationToken)
    {
        await TenantGrain.GetSnapshotAsync(cancellationToken);
        return stored.State.Ledger;
    }

    public Task WatchAsync(CancellationToken cancellationToken) => this.RegisterOrUpdateReminder(Reminder, FirstLook, Period, cancellationToken);

    public async Task ReceiveReminder(string reminderName, TickStatus status)
    {
        using var system = tickets.EnterSystem();
        try
        {
            if (await TenantGrain.GetSnapshotAsync(CancellationToken.None) is var snapshot && IsOpen(snapshot))
            {
                await LookAsync(snapshot, CancellationToken.None);
                return;
            }
        }
        catch (ProblemException e) when (e.Kind == ProblemKind.NotFound)
        {
            // The tenant was offboarded: there is nothing to look at any more.
        }

        if (await this.GetReminder(Reminder) is { } reminder)
        {
            await this.UnregisterReminder(reminder);
        }
    }

    private static bool IsOpen(TenantSnapshot snapshot) => snapshot.Lifecycle is Lifecycle.Sandbox or Lifecycle.Uat or Lifecycle.Live;

    private async Task<QuirkLedger> LookAsync(TenantSnapshot snapshot, CancellationToken cancellationToken)
    {
        var connection = snapshot.Spec.Connection;
        var profile = VendorProfiles.Find(connection.Vendor) ?? throw new ProblemException(
            ProblemKind.Unavailable, "EHR-QRY-009", "connection.vendor", "This silo does not know the tenant's vendor profile; it may be older than the others.");
        var answer = await statements.ReadAsync(Tenant, connection, cancellationToken);
        if (answer.Statement is not { } statement)
        {
            metrics.QuirksLooked(connection.Vendor, "failed");
            return await KeepAsync(stored.State.Ledger with { Failure = answer.Failure }, connection.Vendor);
        }

        var comparison = SiteComparison.Of(profile, statement);
        var known = stored.State.Vendor == connection.Vendor ? stored.State.Ledger : new QuirkLedger();
        var ledger = Next(known, statement.Software, comparison.Findings, time.GetUtcNow());
        await TenantGrain.AdoptProbedProfileAsync(comparison.Profile, cancellationToken);
        metrics.QuirksLooked(connection.Vendor, "ok");
        var changes = ledger.Changes.Length == 0 ? 0 : ledger.Changes.Count(change => change.At == ledger.LookedAt);
        if (changes > 0)
        {
            metrics.QuirksChanged(connection.Vendor, changes);
            LogChanged(log, Tenant, connection.Vendor, changes);
        }

        return await KeepAsync(ledger, connection.Vendor);
    }

    /// <summary>The ledger after a look. What the first look finds is no change: there was nothing before.</summary>
    internal static QuirkLedger Next(QuirkLedger known, string? software, IReadOnlyList<SiteFinding> findings, DateTimeOffset now)
    {
        var before = known.Quirks.ToDictionary(quirk => (quirk.Path, quirk.Documented, quirk.Adopted));
        Quirk[] quirks =
        [
            .. findings.Take(QuirksMax).Select(finding =>
                new Quirk(finding.Path, finding.Documented, finding.Found, finding.Adopted,
                    before.TryGetValue((finding.Path, finding.Documented, finding.Adopted), out var same) && same.Found == finding.Found ? same.Since : now)),
        ];
        var after = quirks.ToDictionary(quirk => (quirk.Path, quirk.Documented, quirk.Adopted));
        var changes = known.LookedAt is null ? [] : before.Keys.Union(after.Keys)
            .Where(key => before.GetValueOrDefault(key)?.Found != after.GetValueOrDefault(key)?.Found)
            .Select(key => new QuirkChange(now, key.Path, before.GetValueOrDefault(key)?.Found, after.GetValueOrDefault(key)?.Found))
            .ToList();
        if (known.LookedAt is not null && known.Software != software)
        {
            changes.Insert(0, new QuirkChange(now, "software", known.Software, software));
        }

        return new QuirkLedger
        {
            LookedAt = now,
            Software = software,
            Quirks = quirks,
            Changes = [.. changes.Concat(known.Changes).Take(ChangesMax)],
        };
    }

    private async Task<QuirkLedger> KeepAsync(QuirkLedger ledger, string vendor)
    {
        stored.State = new QuirkLedgerState { Ledger = ledger, Vendor = vendor };
        await stored.WriteStateAsync(CancellationToken.None);
        return ledger;
    }

    [LoggerMessage(1010, LogLevel.Warning, "The EHR of tenant {Tenant} ({Vendor}) says {Count} things of itself otherwise than before: see «ehrgrains quirks»")]
    private static partial void LogChanged(ILogger logger, TenantId tenant, string vendor, int count);
}
