using System.CommandLine;
using EhrGrains.Cli.Results;
using EhrGrains.Contracts.Audit;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Cli.Commands;

/// <summary><c>ehrgrains audit</c>: who touched what, and whether the record of it is whole.</summary>
internal static class AuditCommand
{
    internal static Command Build() => new("audit", "Who touched what, and whether the record of it is whole.")
    {
        Verify(),
        Who(),
    };

    private static Verb Verify()
    {
        var tenants = new Argument<string[]>("TENANT") { Description = "Tenants; none: all of them.", Arity = ArgumentArity.ZeroOrMore };
        tenants.Validators.Add(result =>
        {
            if (result.Tokens.Any(token => !TenantId.TryParse(token.Value, out _)))
            {
                result.AddError("TENANT has 1 to 63 characters: a-z, 0-9 and '-', starting with a letter.");
            }
        });
        return new Verb("verify", "Checks the hash chain of the audit trail. Exit code 3: a row was edited, removed, inserted or reordered.") { tenants }.Answers(
            async run =>
            {
                var cluster = await run.ConnectAsync();
                var named = run.Get(tenants).Select(TenantId.Parse).ToArray();
                var results = new List<VerifiedTrail>();
                foreach (var tenant in named.Length > 0 ? named : [.. (await TenantCommand.ListAsync(run)).Select(t => t.Tenant)])
                {
                    results.Add(new VerifiedTrail(tenant, await cluster.Audit(tenant).VerifyAsync(run.Stopping)));
                }

                return results;
            },
            results => Tables.Rows(
                results,
                ("tenant", r => r.Tenant), ("intact", r => r.Verification.Intact), ("rows", r => r.Verification.Rows),
                ("broken at", r => r.Verification.BrokenAt), ("finding", r => r.Verification.Finding), ("head", r => r.Verification.Head)),
            results => results.TrueForAll(r => r.Verification.Intact) ? ExitCode.Ok : ExitCode.CheckFailed);
    }

    private static Verb Who()
    {
        var tenant = Parameters.Tenant();
        var patient = Parameters.Text("--patient", "ID", "The patient's logical id at the tenant.", isRequired: true);
        var before = new Option<long?>("--before") { Description = "Only rows before this sequence number.", HelpName = "N" };
        var count = new Option<int>("--count") { Description = "At most this many rows, 1 to 1000.", HelpName = "N", DefaultValueFactory = _ => 100 };
        return new Verb("who", "Who touched a patient, newest first.") { tenant, patient, before, count }.Answers(
            async run => await (await run.ConnectAsync()).Audit(run.Get(tenant))
                .WhoAsync(run.Get(patient), run.Get(before), run.Get(count), run.Stopping),
            entries => Tables.Rows(
                entries,
                ("sequence", e => e.Sequence), ("at", e => e.At), ("app", e => e.App), ("action", e => e.Action), ("type", e => e.ResourceType),
                ("outcome", e => e.Outcome), ("intent", e => e.Intent), ("trace", e => e.TraceId)));
    }
}

/// <summary>A verified audit trail.</summary>
internal sealed record VerifiedTrail(TenantId Tenant, AuditVerification Verification);
