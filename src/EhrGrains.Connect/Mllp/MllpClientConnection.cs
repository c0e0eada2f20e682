using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using EhrGrains.Connect.Egress;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Hl7v2.Messages;
using EhrGrains.Hl7v2.Mllp;

namespace EhrGrains.Connect.Mllp;

/// <summary>Where an outbound feed sends, and as whom.</summary>
/// <param name="Feed">Host, port, TLS and patience.</param>
/// <param name="PrivateNetworks">CIDR ranges outside the public internet that the tenant names.</param>
/// <param name="ClientCertificate">Our certificate with its key; null: none is shown.</param>
public sealed record MllpDestination(
    OutboundFeedSpec Feed, IReadOnlyList<string> PrivateNetworks, X509Certificate2? ClientCertificate = null);

/// <summary>What became of a message that was sent.</summary>
public enum MllpSendOutcome
{
    /// <summary>The receiver has it (AA, CA), or asked not to be asked (MSH-15 and MSH-16 NE).</summary>
    Accepted,

    /// <summary>The receiver could not take it now (AE, CE): send it again.</summary>
    Error,

    /// <summary>The receiver will not take it as it is (AR, CR).</summary>
    Rejected,

    /// <summary>No acknowledgement came in time; whether the receiver has it is not known. The connection is closed.</summary>
    NoAnswer,

    /// <summary>The connection ended before the acknowledgement; whether the receiver has it is not known.</summary>
    Disconnected,
}

/// <summary>What became of a message that was sent.</summary>
/// <param name="Outcome">In one word.</param>
/// <param name="Code">MSA-1 as the receiver wrote it; null: there was no acknowledgement.</param>
/// <param name="ErrorCode">ERR-3.1 (before 2.5: ERR-1.4.1), a code of HL7 table 0357; null: none was given.</param>
public readonly record struct MllpSendResult(MllpSendOutcome Outcome, string? Code = null, string? ErrorCode = null);

/// <summary>
/// One connection to a receiver. Several messages may be outstanding; an acknowledgement belongs to the message whose MSH-10 its
/// MSA-2 repeats, and one that fits none is ignored. Safe for use by several threads. It ends with its first fault: make another.
/// </summary>
public sealed class MllpClientConnection : IAsyncDisposable
{
    // An acknowledgement with a long ERR or a returned message; whoever sends more is no receiver.
    private const int AnswerBytesMax = 1024 * 1024;

    private const int ErrorCodeLengthMax = 20;

    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(10);

    private readonly Stream stream;
    private readonly TimeSpan patience;
    private readonly TimeProvider time;
    private readonly ConnectMetrics metrics;
    private readonly PipeReader input;
    private readonly PipeWriter output;
    private readonly SemaphoreSlim writing = new(1, 1);
    private readonly SemaphoreSlim places;
    private readonly CancellationTokenSource ended = new();
    private readonly Lock gate = new();
    private readonly Dictionary<string, TaskCompletionSource<MllpSendResult>> outstanding = new(StringComparer.Ordinal);
    private readonly Task listening;

    private MllpClientConnection(Stream stream, OutboundFeedSpec feed, TimeProvider time, ConnectMetrics metrics)
    {
        this.stream = stream;
        patience = TimeSpan.FromSeconds(feed.AcknowledgementTimeoutSeconds);
        places = new SemaphoreSlim(feed.OutstandingMax);
        this.time = time;
        this.metrics = metrics;
        input = PipeReader.Create(stream, new StreamPipeReaderOptions(useZeroByteReads: true));
        output = PipeWriter.Create(stream, new StreamPipeWriterOptions(leaveOpen: true));
        listening = ListenAsync();
    }

    /// <summary>True until the connection has ended, by either side.</summary>
    public bool IsOpen => !ended.IsCancellationRequested;

    /// <summary>Cancelled when the connection has ended, by either side.</summary>
    public CancellationToken Ended => ended.Token;

    /// <summary>Connects.</summary>
    /// <exception cref="EgressRefusedException">The host is not one that the tenant may be sent to.</exception>
    /// <exception cref="ProblemException">Invalid: the private networks or trusted certificates cannot be read.</exception>
    /// <exception cref="HttpRequestException">The host does not take the connection.</exception>
    /// <exception cref="AuthenticationException">The host's certificate is not trusted, or it does not trust ours.</exception>
    public static async Task<MllpClientConnection> ConnectAsync(
        MllpDestination destination, TimeProvider time, ConnectMetrics metrics, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(destination);
        var feed = destination.Feed;
        var rules = AddressRules.For(destination.PrivateNetworks);
        var addresses = await EgressSockets.ResolveAsync(feed.Host, rules, Dns.GetHostAddressesAsync, cancellationToken);
        if (!feed.Tls && !addresses.All(rules.IsNamed))
        {
            throw new EgressRefusedException(
                EgressRefusal.Scheme,
                "Without TLS messages are sent only inside a private network: name it in connection.privateNetworks, or use TLS.");
        }

        var socket = await EgressSockets.ConnectAsync(addresses, feed.Port, ConnectTimeout, time, cancellationToken);
        SocketKeepAlive.Set(socket);
        Stream plain = new NetworkStream(socket, ownsSocket: true);
        var made = feed.Tls ? await AuthenticateAsync(plain, destination, time, cancellationToken) : plain;
        return new MllpClientConnection(made, feed, time, metrics);
    }

    /// <summary>
    /// Sends a message and waits for its acknowledgement, which is the one that its MSH-15 and MSH-16 ask for. No more are outstanding
    /// than the feed states; two with the same MSH-10 never are, for their acknowledgements could not be told apart.
    /// </summary>
    /// <exception cref="ArgumentException">The message is not HL7 v2, or has no MSH-10 and yet asks for an acknowledgement.</exception>
    public async Task<MllpSendResult> SendAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken)
    {
        var expected = Expectation.Of(message);
        await places.WaitAsync(cancellationToken);
        try
        {
            return await SendAsync(message, expected, cancellationToken);
        }
        finally
        {
            places.Release();
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        End();
        await listening;
        await output.CompleteAsync();
        await stream.DisposeAsync();
    }

    private async Task<MllpSendResult> SendAsync(ReadOnlyMemory<byte> message, Expectation expected, CancellationToken cancellationToken)
    {
        if (!expected.IsAnswered)
        {
            return await TryWriteAsync(message, cancellationToken) ? new(MllpSendOutcome.Accepted) : new(MllpSendOutcome.Disconnected);
        }

        var answer = await ReserveAsync(expected.ControlId, cancellationToken);
        try
        {
            return await TryWriteAsync(message, cancellationToken)
                ? await answer.Task.WaitAsync(patience, time, cancellationToken)
                : new MllpSendResult(MllpSendOutcome.Disconnected);
        }
        catch (TimeoutException) when (expected.SilenceAccepts)
        {
            return new MllpSendResult(MllpSendOutcome.Accepted);
        }
        catch (TimeoutException)
        {
            // Half open, or a receiver that has lost it: whatever else is outstanding here is better sent again on another connection.
            End();
            return new MllpSendResult(MllpSendOutcome.NoAnswer);
        }
        finally
        {
            lock (gate)
            {
                outstanding.Remove(expected.ControlId);
            }

            answer.TrySetResult(new MllpSendResult(MllpSendOutcome.Disconnected)); // lets the next one with this MSH-10 go on
        }
    }

    private static async Task<Stream> AuthenticateAsync(
        Stream plain, MllpDestination destination, TimeProvider time, CancellationToken cancellationToken)
    {
        var tls = new SslStream(plain, leaveInnerStreamOpen: false);
        using var timeout = new CancellationTokenSource(ConnectTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        try
        {
            await tls.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions
                {
                    TargetHost = destination.Feed.Host,
                    EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
                    AllowRenegotiation = false,
                    CertificateChainPolicy = TenantTrust.ChainPolicy(destination.Feed.TrustedCertificates),
                    ClientCertificateContext = destination.ClientCertificate is { } own
                        ? SslStreamCertificateContext.Create(own, additionalCertificates: null, offline: true)
                        : null,
                },
                either.Token);
            return tls;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            await tls.DisposeAsync();
            throw new HttpRequestException(HttpRequestError.SecureConnectionError, "The host did not finish the TLS handshake in time.");
        }
        catch
        {
            await tls.DisposeAsync();
            throw;
        }
    }

    private async Task<TaskCompletionSource<MllpSendResult>> ReserveAsync(string controlId, CancellationToken cancellationToken)
    {
        var answer = new TaskCompletionSource<MllpSendResult>(TaskCreationOptions.RunContinuationsAsynchronously);
        while (true)
        {
            Task same;
            lock (gate)
            {
                if (outstanding.TryAdd(controlId, answer))
                {
                    return answer;
                }

                same = outstanding[controlId].Task;
            }

            await same.WaitAsync(cancellationToken);
        }
    }

    private async Task<bool> TryWriteAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token, ended.Token);
        try
        {
            await writing.WaitAsync(either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return false;
        }

        try
        {
            MllpBytes.Write(output, message.Span);
            await output.FlushAsync(either.Token);
            return true;
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
        {
            // Part of a frame may be out: nothing can follow it.
            End();
            cancellationToken.ThrowIfCancellationRequested();
            return false;
        }
        finally
        {
            writing.Release();
        }
    }

    private async Task ListenAsync()
    {
        var frames = new MllpReader(AnswerBytesMax);
        using var message = new Hl7Message();
        try
        {
            var goesOn = true;
            while (goesOn)
            {
                var read = await input.ReadAsync(ended.Token);
                goesOn = TakeAll(frames, message, read.Buffer, out var consumed) && !read.IsCompleted;
                input.AdvanceTo(consumed, read.Buffer.End);
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
        {
            // Ended by the receiver, the network, or us.
        }

        End();
        await input.CompleteAsync();
    }

    private bool TakeAll(MllpReader frames, Hl7Message message, in ReadOnlySequence<byte> buffer, out SequencePosition consumed)
    {
        var rest = buffer;
        while (true)
        {
            var status = frames.Read(rest, out consumed, out var content);
            if (status is MllpReadStatus.Frame or MllpReadStatus.Unterminated)
            {
                Take(message, content.ToArray());
            }
            else if (status is MllpReadStatus.NeedMore or MllpReadStatus.NotMllp or MllpReadStatus.TooLarge)
            {
                return status == MllpReadStatus.NeedMore;
            }

            rest = rest.Slice(consumed);
        }
    }

    private void Take(Hl7Message message, byte[] content)
    {
        if (!message.Read(content).Ok || !message.TryFind("MSA", 1, out var msa) || OutcomeOf(msa[1]) is not { } outcome)
        {
            metrics.MllpUnmatched("not-an-acknowledgement");
            return;
        }

        TaskCompletionSource<MllpSendResult>? answer;
        lock (gate)
        {
            outstanding.TryGetValue(msa[2].GetString(), out answer);
        }

        if (answer?.TrySetResult(new MllpSendResult(outcome, msa[1].GetString(), ErrorOf(message))) != true)
        {
            metrics.MllpUnmatched("control-id");
        }
    }

    private static MllpSendOutcome? OutcomeOf(Hl7Value code) =>
        code.Is("AA") || code.Is("CA") ? MllpSendOutcome.Accepted
        : code.Is("AE") || code.Is("CE") ? MllpSendOutcome.Error
        : code.Is("AR") || code.Is("CR") ? MllpSendOutcome.Rejected
        : null;

    // A code of a table, cut to what such a code can be: it goes into logs and answers to operators.
    private static string? ErrorOf(Hl7Message message)
    {
        var text = message["ERR-3.1"].GetString();
        text = text.Length > 0 ? text : message["ERR-1.4.1"].GetString();
        return text.Length is 0 or > ErrorCodeLengthMax || !text.All(char.IsAsciiLetterOrDigit) ? null : text;
    }

    private void End()
    {
        TaskCompletionSource<MllpSendResult>[] waiting;
        lock (gate)
        {
            waiting = [.. outstanding.Values];
        }

        ended.Cancel();
        foreach (var answer in waiting)
        {
            answer.TrySetResult(new MllpSendResult(MllpSendOutcome.Disconnected));
        }
    }

    /// <summary>What the message says of its own acknowledgement: the decision table, read from the other side.</summary>
    private readonly record struct Expectation(string ControlId, bool IsAnswered, bool SilenceAccepts)
    {
        internal static Expectation Of(ReadOnlyMemory<byte> bytes)
        {
            using var message = new Hl7Message();
            if (!message.Read(bytes).Ok)
            {
                throw new ArgumentException("What is to be sent is not an HL7 v2 message.", nameof(bytes));
            }

            var header = message.Segment(0);
            var terms = AcknowledgementTerms.Of(header, null);
            var silentWhenAccepted = AcknowledgementRules.Decide(MllpEvent.Appended, terms).Code is null;
            var silentWhenRefused = AcknowledgementRules.Decide(MllpEvent.NotHl7, terms).Code is null;
            var controlId = header[10].GetString();
            return controlId.Length == 0 && !(silentWhenAccepted && silentWhenRefused)
                ? throw new ArgumentException("The message has no MSH-10: its acknowledgement could not be known.", nameof(bytes))
                : new Expectation(controlId, !(silentWhenAccepted && silentWhenRefused), silentWhenAccepted);
        }
    }
}
