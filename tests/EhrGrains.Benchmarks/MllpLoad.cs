using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace EhrGrains.Benchmarks;

/// <summary>What a run of MLLP load measured.</summary>
/// <param name="PerSecond">Acknowledgements a second.</param>
/// <param name="CpuMicroseconds">CPU time of the listening process for one.</param>
/// <param name="P50">Milliseconds from a message's writing to its acknowledgement, median.</param>
/// <param name="P99">The same, 99th percentile.</param>
/// <param name="Refused">Messages that the journal did not take in time, and that were answered AE.</param>
internal sealed record MllpLoadResult(double PerSecond, double CpuMicroseconds, double P50, double P99, long Refused);

/// <summary>
/// Senders on raw sockets, each with so many messages outstanding. Every acknowledgement must be for the oldest outstanding message
/// of its connection: anything else ends the benchmark.
/// </summary>
internal static class MllpLoad
{
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(1);
    private static long lastRun;

    internal static async Task<MllpLoadResult> RunAsync(int port, int processId, int connections, int outstanding, TimeSpan length)
    {
        var run = new Run(Interlocked.Increment(ref lastRun), WarmUp, length);
        var loops = Enumerable.Range(0, connections).Select(number => new SenderLoop(run, port, number, outstanding)).ToArray();
        var senders = loops.Select(static loop => Task.Run(loop.RunAsync)).ToArray();
        await Task.Delay(WarmUp);
        var cpu = Load.CpuSeconds(processId);
        var clock = Stopwatch.StartNew();
        var all = await Task.WhenAll(senders);
        cpu = Load.CpuSeconds(processId) - cpu;
        var latencies = all.SelectMany(static l => l).Order().ToArray();
        return new MllpLoadResult(
            latencies.Length / clock.Elapsed.TotalSeconds, cpu / latencies.Length * 1e6,
            latencies[latencies.Length / 2], latencies[(int)(latencies.Length * 0.99)], loops.Sum(static loop => loop.Refused));
    }

    /// <summary>Milliseconds from the first byte of one message to its acknowledgement.</summary>
    internal static async Task<double> TimeAsync(int port, byte[] frame)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Loopback, port);
        var answer = new byte[4096];
        var clock = Stopwatch.StartNew();
        await socket.SendAsync(frame);
        var read = await socket.ReceiveAsync(answer);
        return answer.AsSpan(0, read).IndexOf("MSA|AA|"u8) > 0
            ? clock.Elapsed.TotalMilliseconds
            : throw new InvalidOperationException("The message was not accepted.");
    }

    internal static byte[] Frame(string controlId, int length)
    {
        var header = $"MSH|^~\\&|EPIC|NORTH|EHRGRAINS|OPS|20260101120000||ADT^A01^ADT_A01|{controlId}|P|2.5.1\rEVN|A01|20260101120000\rPID|1||";
        return Encoding.ASCII.GetBytes($"\u000B{header.PadRight(length, 'x')}\r\u001C\r");
    }

    private sealed record Run(long Number, TimeSpan WarmUp, TimeSpan Length)
    {
        private readonly Stopwatch clock = Stopwatch.StartNew();

        public bool IsMeasured => clock.Elapsed >= WarmUp;

        public bool IsOver => clock.Elapsed >= WarmUp + Length;
    }

    private sealed class SenderLoop(Run run, int port, int number, int outstanding)
    {
        private const int ControlIdLength = 20;
        private readonly byte[] frame = Frame(new string('0', ControlIdLength), JournalBenchmark.MessageLength);
        private readonly long[] sentAt = new long[outstanding];
        private readonly List<double> latencies = [];
        private long sent;
        private long acknowledged;

        public long Refused { get; private set; }

        public async Task<List<double>> RunAsync()
        {
            var at = frame.AsSpan().IndexOf("00000000000000000000"u8);
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(IPAddress.Loopback, port);
            var output = new byte[frame.Length * outstanding];
            var input = new byte[64 * 1024];
            var have = 0;
            await SendAsync(socket, output, at, outstanding);
            while (acknowledged < sent)
            {
                var read = await socket.ReceiveAsync(input.AsMemory(have));
                if (read == 0)
                {
                    throw new InvalidOperationException("The listener closed a connection.");
                }

                have += read;
                var (taken, count) = Take(input.AsSpan(0, have));
                input.AsSpan(taken, have - taken).CopyTo(input);
                have -= taken;
                if (!run.IsOver && count > 0)
                {
                    await SendAsync(socket, output, at, count);
                }
            }

            return latencies;
        }

        private async Task SendAsync(Socket socket, byte[] output, int at, int count)
        {
            for (var i = 0; i < count; i++)
            {
                frame.CopyTo(output.AsSpan(i * frame.Length));
                Id(sent, output.AsSpan((i * frame.Length) + at, ControlIdLength));
                sentAt[sent % outstanding] = Stopwatch.GetTimestamp();
                sent++;
            }

            await socket.SendAsync(output.AsMemory(0, count * frame.Length));
        }

        private (int Taken, int Count) Take(ReadOnlySpan<byte> input)
        {
            Span<byte> expected = stackalloc byte[ControlIdLength];
            var taken = 0;
            var count = 0;
            while (input[taken..].IndexOf((byte)0x1C) is >= 0 and var end && taken + end + 1 < input.Length)
            {
                Id(acknowledged, expected);
                var answer = input.Slice(taken, end);
                var code = answer.IndexOf("MSA|A"u8);
                if (code < 0 || !answer[(code + 7)..].StartsWith(expected))
                {
                    throw new InvalidOperationException($"Not for the oldest message: {Encoding.ASCII.GetString(answer)}");
                }

                var isAccepted = answer[code + 5] == (byte)'A';
                Refused += isAccepted ? 0 : 1;
                if (run.IsMeasured && isAccepted)
                {
                    latencies.Add(Stopwatch.GetElapsedTime(sentAt[acknowledged % outstanding]).TotalMilliseconds);
                }

                acknowledged++;
                count++;
                taken += end + 2;
            }

            return (taken, count);
        }

        // Not used twice while the journal remembers: run, connection, number.
        private void Id(long message, Span<byte> text) =>
            (run.Number * 1_000_000_000_000_000 + (number * 1_000_000_000_000L) + message).TryFormat(text, out _, "D20", CultureInfo.InvariantCulture);
    }
}
