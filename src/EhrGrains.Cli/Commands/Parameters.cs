using System.CommandLine;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Populations;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Webhooks;

namespace EhrGrains.Cli.Commands;

/// <summary>The arguments and options that several commands have.</summary>
internal static class Parameters
{
    internal static Argument<TenantId> Tenant() => new("TENANT")
    {
        Description = "The tenant's id.",
        CustomParser = result =>
        {
            if (!TenantId.TryParse(result.Tokens[0].Value, out var tenant))
            {
                result.AddError("TENANT has 1 to 63 characters: a-z, 0-9 and '-', starting with a letter.");
            }

            return tenant;
        },
    };

    internal static Argument<AppId> App() => new("APP")
    {
        Description = "The app's id, which is its OAuth client id.",
        CustomParser = result =>
        {
            if (!AppId.TryParse(result.Tokens[0].Value, out var app))
            {
                result.AddError("APP has 1 to 63 characters: a-z, 0-9 and '-', starting with a letter.");
            }

            return app;
        },
    };

    internal static Argument<FeedId> Feed() => new("FEED")
    {
        Description = "The feed's id within the tenant.",
        CustomParser = result =>
        {
            if (!FeedId.TryParse(result.Tokens[0].Value, out var feed))
            {
                result.AddError("FEED has 1 to 63 characters: a-z, 0-9 and '-', starting with a letter.");
            }

            return feed;
        },
    };

    internal static Argument<WebhookId> Webhook() => new("WEBHOOK")
    {
        Description = "The webhook's id within the tenant.",
        CustomParser = result =>
        {
            if (!WebhookId.TryParse(result.Tokens[0].Value, out var webhook))
            {
                result.AddError("WEBHOOK has 1 to 63 characters: a-z, 0-9 and '-', starting with a letter.");
            }

            return webhook;
        },
    };

    internal static Argument<CohortId> Cohort() => new("COHORT")
    {
        Description = "The cohort's id within the tenant.",
        CustomParser = result =>
        {
            if (!CohortId.TryParse(result.Tokens[0].Value, out var cohort))
            {
                result.AddError("COHORT has 1 to 63 characters: a-z, 0-9 and '-', starting with a letter.");
            }

            return cohort;
        },
    };

    internal static Option<PatientId[]> Patients(string description) => new("--patient")
    {
        Description = description + " Can be repeated.",
        HelpName = "ID",
        DefaultValueFactory = _ => [],
        CustomParser = result =>
        {
            var patients = new List<PatientId>();
            foreach (var token in result.Tokens)
            {
                if (PatientId.TryParse(token.Value, out var patient))
                {
                    patients.Add(patient);
                }
                else
                {
                    result.AddError("A patient's id has 1 to 64 characters: A-Z, a-z, 0-9, '-' and '.'.");
                }
            }

            return [.. patients];
        },
    };

    internal static Argument<long> Position() => new("POSITION") { Description = "The message's position, as «quarantine list» shows it." };

    internal static Option<string> Reason() => new("--reason")
    {
        Description = "Why, for the record; no patient data.",
        HelpName = "TEXT",
        DefaultValueFactory = _ => "by command line",
    };

    internal static Option<bool> Wait(string description) => new("--wait") { Description = description + " Has no limit in time unless --timeout is given." };

    internal static Option<string> Text(string name, string helpName, string description, bool isRequired = false) =>
        new(name) { Description = description, HelpName = helpName, Required = isRequired };

    internal static Option<string[]> Texts(string name, string helpName, string description) =>
        new(name) { Description = description + " Can be repeated.", HelpName = helpName, DefaultValueFactory = _ => [] };

    /// <summary>One of the words of an enum; its zero when left out.</summary>
    internal static Option<TEnum> Word<TEnum>(string name, string description, params string[] aliases)
        where TEnum : struct, Enum =>
        Word<TEnum, TEnum>(name, $"{description} [default: {Words.Of(default(TEnum))}]", word => word, aliases);

    /// <summary>One of the words of an enum; null when left out.</summary>
    internal static Option<TEnum?> OptionalWord<TEnum>(string name, string description)
        where TEnum : struct, Enum => Word<TEnum, TEnum?>(name, description, word => word);

    private static Option<TValue> Word<TEnum, TValue>(string name, string description, Func<TEnum, TValue> convert, params string[] aliases)
        where TEnum : struct, Enum => new(name, aliases)
        {
            Description = description,
            HelpName = string.Join("|", Words.All<TEnum>()),
            CustomParser = result =>
            {
                if (!Words.TryParse<TEnum>(result.Tokens[0].Value, out var value))
                {
                    result.AddError($"{name} is one of: {string.Join(", ", Words.All<TEnum>())}.");
                }

                return convert(value);
            },
        };
}
