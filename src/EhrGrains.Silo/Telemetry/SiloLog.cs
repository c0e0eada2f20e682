namespace EhrGrains.Silo.Telemetry;

/// <summary>What the silo's own code logs. No paths, queries, bodies or exception texts: they can hold patient data.</summary>
internal static partial class SiloLog
{
    [LoggerMessage(7000, LogLevel.Information, "The silo serves {Url}; Orleans clients connect to {Gateway}.")]
    internal static partial void Serving(this ILogger logger, string url, string gateway);

    [LoggerMessage(7001, LogLevel.Warning, "A token request of app {App} with {Method} was refused.")]
    internal static partial void ClientAuthenticationFailed(this ILogger logger, string app, string method);

    [LoggerMessage(7002, LogLevel.Warning, "The signing keys could not be read again; the known ones stay in use.")]
    internal static partial void SigningKeysNotRefreshed(this ILogger logger, Exception exception);

    [LoggerMessage(7003, LogLevel.Error, "Request {RequestId} failed unexpectedly with {ExceptionType} at {StackTrace}")]
    internal static partial void RequestFailed(this ILogger logger, string requestId, string exceptionType, string stackTrace);

    [LoggerMessage(7004, LogLevel.Warning, "Request {RequestId} could not be served now: {ExceptionType}.")]
    internal static partial void RequestUnavailable(this ILogger logger, string requestId, string exceptionType);

    [LoggerMessage(7005, LogLevel.Information, "Applied {Count} database migrations.")]
    internal static partial void Migrated(this ILogger logger, int count);

    [LoggerMessage(7006, LogLevel.Information, "The first administrator {App} is registered; its key is in {File}.")]
    internal static partial void OperatorFileWritten(this ILogger logger, string app, string file);

    [LoggerMessage(7007, LogLevel.Information, "The silo drains: readiness is off, requests are served for {Seconds} s more.")]
    internal static partial void Draining(this ILogger logger, int seconds);

    [LoggerMessage(7008, LogLevel.Information, "{Count} signing keys are published; the newest, {KeyId}, signs from {SignsFrom} on.")]
    internal static partial void SigningKeysPublished(this ILogger logger, int count, string keyId, DateTimeOffset signsFrom);

    [LoggerMessage(7010, LogLevel.Information, "Feeds: plain MLLP on {Plain}, with TLS on {Tls}.")]
    internal static partial void ListensForFeeds(this ILogger logger, string plain, string tls);
}
