namespace EhrGrains.Sandbox;

/// <summary>Simulated hospitals in one process, each on its own port.</summary>
public static class SandboxHost
{
    /// <summary>Builds the hospitals; start the application to open their ports. Without <paramref name="logging"/> nothing is logged.</summary>
    public static WebApplication Build(SandboxOptions options, Action<ILoggingBuilder>? logging = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        logging?.Invoke(builder.Logging);
        return builder.Build();
    }

    /// <summary>What is needed to connect to each hospital, in order of port. The application must have been started.</summary>
    public static IReadOnlyList<SandboxSite> Sites(WebApplication app)
    {
        ArgumentNullException.ThrowIfNull(app);
        return [];
    }
}
