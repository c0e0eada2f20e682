using System.Net.Sockets;
using EhrGrains.Cli.Contexts;
using EhrGrains.Contracts;
using EhrGrains.Silo;
using EhrGrains.Silo.Configuration;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace EhrGrains.Demo;

/// <summary>What is shown on a stage.</summary>
internal interface IPlay : IAsyncDisposable
{
    /// <summary>How long it may take.</summary>
    static abstract TimeSpan Limit { get; }

    static abstract IPlay On(Stage stage);

    /// <summary>Shows everything; a check that does not hold is an exception.</summary>
    Task ShowAsync(CancellationToken cancellationToken);

    /// <summary>Goes on for the person who looks around, and says how.</summary>
    Task GoOnAsync(CancellationToken cancellationToken);
}

/// <summary>One silo in this process, and the operator's connection to it.</summary>
internal sealed class Stage(Narrator narrator, string dataDirectory, Ports ports) : IAsyncDisposable
{
    private WebApplication? silo;
    private bool isSiloStarted;
    private ClusterConnection? admin;

    internal Narrator Narrator => narrator;

    internal string DataDirectory => dataDirectory;

    internal Ports Ports => ports;

    internal string OperatorFile => Path.Combine(dataDirectory, "operator.json");

    /// <summary>The operator's connection, once the silo has started.</summary>
    internal ClusterConnection Admin => admin!;

    internal int MllpPort => silo!.Services.GetRequiredService<SiloOptions>().Mllp.Port;

    /// <summary>Plays; 0 when every check held.</summary>
    internal static async Task<int> PlayAsync<T>(Narrator narrator, bool once, string dataDirectory, CancellationToken cancellationToken)
        where T : IPlay
    {
        var (ports, note) = once ? (Ports.Any, null) : Ports.Choose();
        if (note is not null)
        {
            narrator.Say(note);
        }

        var throwAway = once ? Directory.CreateTempSubdirectory("ehrgrains-demo-") : null;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(T.Limit);
        try
        {
            await using var stage = new Stage(narrator, throwAway?.FullName ?? dataDirectory, ports);
            await using var play = T.On(stage);
            await play.ShowAsync(limit.Token);
            limit.CancelAfter(Timeout.InfiniteTimeSpan);
            if (!once)
            {
                await play.GoOnAsync(cancellationToken);
                await stage.silo!.WaitForShutdownAsync(cancellationToken);
            }

            return 0;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return once ? 1 : 0;
        }
        catch (Exception e) when (e is CheckFailedException or ProblemException or OrleansException or HttpRequestException or SocketException
            or IOException or TimeoutException or OperationCanceledException or OptionsValidationException)
        {
            narrator.Failed(e is OperationCanceledException ? $"The demo took more than {T.Limit.TotalMinutes} minutes." : e.Message);
            return 1;
        }
        finally
        {
            throwAway?.Delete(recursive: true);
        }
    }

    internal async Task<string> StartSiloAsync(CancellationToken cancellationToken)
    {
        string[] settings =
        [
            $"--EhrGrains:DataDirectory={dataDirectory}",
            $"--EhrGrains:Http:Url=http://127.0.0.1:{ports.Http}",
            $"--EhrGrains:Silo:Port={ports.Silo}",
            $"--EhrGrains:Silo:GatewayPort={ports.Gateway}",
            $"--EhrGrains:Mllp:Port={ports.Mllp}",

            // The application takes its webhooks on this machine.
            "--EhrGrains:Webhooks:PrivateNetworks:0=127.0.0.1/32",

            // The story is told here; what goes wrong is an exception or a failed check.
            "--Logging:Console:LogLevel:Default=None",
        ];
        silo = SiloHost.Build(settings);
        await silo.StartAsync(cancellationToken);
        isSiloStarted = true;
        admin = await ConnectAsync(cancellationToken);
        return $"{admin.Context.Url.AbsoluteUri.TrimEnd('/')}, Orleans gateway {admin.Context.Gateway}, data in {dataDirectory}";
    }

    /// <summary>A connection of the operator's, for one scope or for what the operator has by itself.</summary>
    internal Task<ClusterConnection> ConnectAsync(CancellationToken cancellationToken, string? scope = null) =>
        ClusterConnection.OpenAsync(ClusterContext.Read(OperatorFile), Application.NoLog, cancellationToken, scope);

    // A silo that does not stop in its time must not hide why the play ended.
    private async Task StopSiloAsync()
    {
        try
        {
            await silo!.StopAsync(CancellationToken.None);
        }
        catch (Exception e) when (e is AggregateException or OperationCanceledException)
        {
            narrator.Say("The silo had work under way and was not given the time to end it.");
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (admin is not null)
        {
            await admin.DisposeAsync();
        }

        if (isSiloStarted)
        {
            await StopSiloAsync();
        }

        if (silo is not null)
        {
            await silo.DisposeAsync();
        }
    }
}
