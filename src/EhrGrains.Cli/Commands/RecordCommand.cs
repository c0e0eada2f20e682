using System.CommandLine;
using System.Text.Json;
using EhrGrains.Cli.Results;
using EhrGrains.Contracts.Records;

namespace EhrGrains.Cli.Commands;

/// <summary><c>ehrgrains record</c>: the normalized record of one patient.</summary>
internal static class RecordCommand
{
    private const int CountMax = 1_000;

    internal static Command Build() => new("record", "The record of a patient: what HL7 messages and the EHR said, as FHIR.")
    {
        Show(), History(), Why(), Unmerge(),
    };

    private static Verb Show()
    {
        var (tenant, patient) = (Parameters.Tenant(), Patient());
        var type = Parameters.Text("--type", "TYPE", "Only resources of this type.");
        var content = new Option<bool>("--content") { Description = "Show the resources: patient data. Asks for a token that may, and is on the audit trail." };
        return new Verb("show", "Shows how a record stands: resources by type, how far each feed was taken, whether it was merged.") { tenant, patient, type, content }.Answers(
            async run =>
            {
                if (!run.Get(content))
                {
                    return new ShownRecord(await (await run.ConnectAsync()).Record(run.Get(tenant), run.Get(patient)).DescribeAsync(run.Stopping), null);
                }

                var record = (await run.ConnectForMessagesAsync()).Record(run.Get(tenant), run.Get(patient));
                var resources = await record.ShowAsync(run.Get(type), CountMax, run.Stopping);
                return new ShownRecord(await record.DescribeAsync(run.Stopping), [.. resources.Select(json => JsonDocument.Parse(json).RootElement)]);
            },
            shown => shown.Resources is { } resources
                ? new Spectre.Console.Rows(resources.Select(resource => new Spectre.Console.Text(resource.GetRawText())))
                : Tables.Facts(
                    ("patient", shown.Record.Patient), ("version", shown.Record.Version), ("changed", shown.Record.At), ("merged into", shown.Record.MergedInto),
                    ("resources", shown.Record.Resources.OrderBy(type => type.Key, StringComparer.Ordinal).Select(type => $"{type.Key}: {type.Value};")),
                    ("bytes", shown.Record.Bytes),
                    ("taken from", shown.Record.Sources.OrderBy(source => source.Key, StringComparer.Ordinal).Select(source => $"{source.Key}/{source.Value}"))));
    }

    private static Verb History()
    {
        var (tenant, patient, count) = (Parameters.Tenant(), Patient(), Count());
        return new Verb("history", "Lists what has changed in a record, newest first, without its content.") { tenant, patient, count }.Answers(
            async run => await (await run.ConnectAsync()).Record(run.Get(tenant), run.Get(patient)).WhyAsync(null, run.Get(count), run.Stopping),
            ShowVersions);
    }

    private static Verb Why()
    {
        var (tenant, patient, count) = (Parameters.Tenant(), Patient(), Count());
        var resource = new Argument<RecordKey>("RESOURCE")
        {
            Description = "A resource of the record, as Type/id.",
            CustomParser = result =>
            {
                var parts = result.Tokens[0].Value.Split('/');
                if (parts is [{ Length: > 0 }, { Length: > 0 }])
                {
                    return new RecordKey(parts[0], parts[1]);
                }

                result.AddError("RESOURCE is written Type/id.");
                return default;
            },
        };
        return new Verb("why", "Says which message or page each version of a resource came from, newest first.") { tenant, patient, resource, count }.Answers(
            async run => await (await run.ConnectAsync()).Record(run.Get(tenant), run.Get(patient)).WhyAsync(run.Get(resource), run.Get(count), run.Stopping),
            ShowVersions);
    }

    private static Verb Unmerge()
    {
        var (tenant, patient) = (Parameters.Tenant(), Patient());
        return new Verb("unmerge", "Undoes the merge of this record into another: what came from here comes back as it is now.") { tenant, patient }.Answers(
            async run => await (await run.ConnectAsync()).Record(run.Get(tenant), run.Get(patient)).UnmergeAsync(run.Stopping),
            record => Tables.Facts(("patient", record.Patient), ("version", record.Version), ("changed", record.At)));
    }

    private static Spectre.Console.Table ShowVersions(RecordVersion[] versions) => Tables.Rows(
        versions, ("resource", v => v.Resource), ("version", v => v.Version), ("at", v => v.At), ("kind", v => Words.Of(v.Kind)), ("from", v => v.Source), ("bytes", v => v.Length));

    private static Argument<PatientId> Patient() => new("PATIENT")
    {
        Description = "The record's id, which is the logical id of its Patient.",
        CustomParser = result =>
        {
            if (!PatientId.TryParse(result.Tokens[0].Value, out var patient))
            {
                result.AddError("PATIENT has 1 to 64 characters: A-Z, a-z, 0-9, '-' and '.'.");
            }

            return patient;
        },
    };

    private static Option<int> Count() => new("--count") { Description = "At most this many, 1 to 1,000.", HelpName = "N", DefaultValueFactory = _ => 100 };
}

/// <summary>A record: how it stands, and what is in it where that was asked for.</summary>
internal sealed record ShownRecord(RecordDescription Record, JsonElement[]? Resources);
