using System.CommandLine;
using EhrGrains.Cli.Results;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Webhooks;
using Spectre.Console.Rendering;

namespace EhrGrains.Cli.Commands;

/// <summary><c>ehrgrains webhook</c>: where changes of patient records are delivered.</summary>
internal static class WebhookCommand
{
    private const int DeliveriesPage = 100;

    internal static Command Build() => new("webhook", "Where changes of patient records are delivered.")
    {
        Add(), List(), Show(), Rotate(), Pause(), Resume(), Replay(), Test(), Remove(),
    };

    private static Verb Add()
    {
        var (tenant, webhook) = (Parameters.Tenant(), Parameters.Webhook());
        var app = Parameters.Text("--app", "APP", "The app that the receiver belongs to; it gets what its grant allows.", isRequired: true);
        var url = Parameters.Text("--url", "URL", "Where to deliver. It has to give a challenge back before anything is sent.", isRequired: true);
        var types = Parameters.Texts("--type", "TYPE", "Only changes of this resource type.");
        var patients = Parameters.Texts("--patient", "ID", "Only changes of this patient's record.");
        var payload = Parameters.Word<WebhookPayload>("--payload", "What a delivery holds of a resource: its id, or the resource.");
        var description = Parameters.Text("--description", "TEXT", "What it is for; no patient data.");
        return new Verb("add", "Makes a webhook, or changes one. A new one gets a secret to verify deliveries with, which is printed this once.")
        {
            tenant, webhook, app, url, types, patients, payload, description,
        }.Answers(
            async run =>
            {
                var made = await (await run.ConnectAsync()).Webhook(run.Get(tenant), run.Get(webhook)).SetAsync(
                    new WebhookSpec
                    {
                        App = AppId.TryParse(run.Get(app), out var id)
                            ? id
                            : throw new Contracts.ProblemException(Contracts.ProblemKind.Invalid, "EHR-CLI-084", "--app", "This is not the id of an app."),
                        Url = run.Get(url),
                        Types = run.Get(types),
                        Patients = run.Get(patients),
                        Payload = run.Get(payload),
                        Description = run.Get(description) ?? "",
                    },
                    run.Stopping);
                return new AddedWebhook(made.Status, made.Secret?.Reveal());
            },
            made => new Spectre.Console.Rows(ShowStatus(made.Webhook), Tables.Facts(("secret", made.Secret ?? "as before"))),
            made => made.Webhook.State == WebhookState.Pending ? ExitCode.CheckFailed : ExitCode.Ok);
    }

    private static Verb List()
    {
        var tenant = Parameters.Tenant();
        return new Verb("list", "Lists the tenant's webhooks, FHIR Subscriptions among them, and how they stand.") { tenant }.Answers(
            async run =>
            {
                var cluster = await run.ConnectAsync();
                var ids = await cluster.Webhooks(run.Get(tenant)).ListAsync(run.Stopping);
                return await Task.WhenAll(ids.Select(id => cluster.Webhook(run.Get(tenant), id).StatusAsync(run.Stopping)));
            },
            webhooks => Tables.Rows(
                webhooks,
                ("webhook", w => w.Webhook), ("app", w => w.Spec.App), ("to", w => new Uri(w.Spec.Url).Host), ("format", w => Words.Of(w.Spec.Format)),
                ("state", w => Words.Of(w.State)), ("behind", w => w.Head - w.Position), ("last delivered", w => w.LastDeliveredAt)));
    }

    private static Verb Show()
    {
        var (tenant, webhook) = (Parameters.Tenant(), Parameters.Webhook());
        return new Verb("show", "Shows what a webhook is, how it stands, and its last tries.") { tenant, webhook }.Answers(
            async run =>
            {
                var grain = (await run.ConnectAsync()).Webhook(run.Get(tenant), run.Get(webhook));
                return new ShownWebhook(await grain.StatusAsync(run.Stopping), await grain.DeliveriesAsync(null, DeliveriesPage, run.Stopping));
            },
            shown => new Spectre.Console.Rows(
                ShowStatus(shown.Webhook),
                Tables.Rows(
                    shown.Deliveries,
                    ("number", d => d.Number), ("at", d => d.At), ("id", d => d.Id), ("changes", d => d.First == 0 ? "none" : $"{d.First}–{d.Last}"),
                    ("try", d => d.Try), ("outcome", d => d.Outcome), ("ms", d => d.Milliseconds))));
    }

    private static Verb Rotate()
    {
        var (tenant, webhook) = (Parameters.Tenant(), Parameters.Webhook());
        var overlap = new Option<double>("--overlap-hours")
        {
            Description = "For how long the secret before signs as well.",
            HelpName = "HOURS",
            DefaultValueFactory = _ => 24,
        };
        return new Verb("rotate", "Makes another secret, printed this once; while they overlap both sign.") { tenant, webhook, overlap }.Answers(
            async run => new WebhookSecret((await (await run.ConnectAsync()).Webhook(run.Get(tenant), run.Get(webhook))
                .RotateAsync(TimeSpan.FromHours(run.Get(overlap)), run.Stopping)).Reveal()),
            secret => Tables.Facts(("secret", secret.Secret)));
    }

    private static Verb Pause()
    {
        var (tenant, webhook, reason) = (Parameters.Tenant(), Parameters.Webhook(), Parameters.Reason());
        return new Verb("pause", "Stops delivering. Changes wait.") { tenant, webhook, reason }.Runs(async run =>
        {
            await (await run.ConnectAsync()).Webhook(run.Get(tenant), run.Get(webhook)).PauseAsync(run.Get(reason), run.Stopping);
            return ExitCode.Ok;
        });
    }

    private static Verb Resume()
    {
        var (tenant, webhook) = (Parameters.Tenant(), Parameters.Webhook());
        return new Verb("resume", "Goes on delivering, at once, also after it gave up; asks a receiver that has not accepted again.") { tenant, webhook }.Answers(
            async run => await (await run.ConnectAsync()).Webhook(run.Get(tenant), run.Get(webhook)).ResumeAsync(run.Stopping),
            ShowStatus,
            status => status.State == WebhookState.Pending ? ExitCode.CheckFailed : ExitCode.Ok);
    }

    private static Verb Replay()
    {
        var (tenant, webhook) = (Parameters.Tenant(), Parameters.Webhook());
        var from = new Option<long>("--from") { Description = "The change to begin with.", HelpName = "SEQ", Required = true };
        return new Verb("replay", "Delivers again from a change on, under the same ids.") { tenant, webhook, from }.Runs(async run =>
        {
            await (await run.ConnectAsync()).Webhook(run.Get(tenant), run.Get(webhook)).ReplayAsync(run.Get(from), run.Stopping);
            return ExitCode.Ok;
        });
    }

    private static Verb Test()
    {
        var (tenant, webhook) = (Parameters.Tenant(), Parameters.Webhook());
        return new Verb("test", "Sends a delivery without changes and says what came of it.") { tenant, webhook }.Answers(
            async run => await (await run.ConnectAsync()).Webhook(run.Get(tenant), run.Get(webhook)).TestAsync(run.Stopping),
            tried => Tables.Facts(("id", tried.Id), ("outcome", tried.Outcome), ("ms", tried.Milliseconds)),
            tried => tried.Outcome.StartsWith('2') ? ExitCode.Ok : ExitCode.CheckFailed);
    }

    private static Verb Remove()
    {
        var (tenant, webhook) = (Parameters.Tenant(), Parameters.Webhook());
        return new Verb("remove", "Ends a webhook; nothing of it is kept.") { tenant, webhook }.Runs(async run =>
        {
            await (await run.ConnectAsync()).Webhook(run.Get(tenant), run.Get(webhook)).RemoveAsync(run.Stopping);
            return ExitCode.Ok;
        });
    }

    private static IRenderable ShowStatus(WebhookStatus webhook) => Tables.Facts(
        ("webhook", webhook.Webhook), ("app", webhook.Spec.App), ("to", webhook.Spec.Url), ("types", webhook.Spec.Types), ("patients", webhook.Spec.Patients),
        ("payload", Words.Of(webhook.Spec.Payload)), ("format", Words.Of(webhook.Spec.Format)), ("state", Words.Of(webhook.State)),
        ("reason", webhook.Reason), ("position", webhook.Position), ("last change", webhook.Head), ("oldest since", webhook.OldestWaitingAt),
        ("delivered", webhook.Delivered), ("last delivered", webhook.LastDeliveredAt), ("failures in a row", webhook.Failures),
        ("next try", webhook.NextTryAt), ("last failure", webhook.LastFailure?.Message), ("two secrets until", webhook.PreviousSecretUntil),
        ("epoch", webhook.Epoch));
}

/// <summary>A webhook that was made, and its secret; null: it was there and has the secret it had.</summary>
internal sealed record AddedWebhook(WebhookStatus Webhook, string? Secret);

/// <summary>A webhook and its last tries, newest first.</summary>
internal sealed record ShownWebhook(WebhookStatus Webhook, WebhookDelivery[] Deliveries);

/// <summary>A new secret.</summary>
internal sealed record WebhookSecret(string Secret);
