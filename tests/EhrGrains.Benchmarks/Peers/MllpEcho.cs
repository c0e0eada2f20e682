using System.Buffers;
using System.Net;
using Microsoft.AspNetCore.Connections;

namespace EhrGrains.Benchmarks.Peers;

/// <summary>
/// The reference of the MLLP benchmark: Kestrel, and the least that can be called an acknowledgement. Looks for the end of a frame,
/// counts bars to MSH-10, answers AA. Keeps nothing, knows no bound, flushes once a read.
/// </summary>
internal sealed class MllpEcho : ConnectionHandler
{
    private const int BarsBeforeControlId = 9;

    public override async Task OnConnectedAsync(ConnectionContext connection)
    {
        var (input, output) = (connection.Transport.Input, connection.Transport.Output);
        while (true)
        {
            var read = await input.ReadAsync();
            var buffer = read.Buffer;
            var answered = Answer(ref buffer, output);
            input.AdvanceTo(buffer.Start, buffer.End);
            if (answered)
            {
                await output.FlushAsync();
            }

            if (read.IsCompleted)
            {
                return;
            }
        }
    }

    internal static WebApplication Build()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseConnectionHandler<MllpEcho>()));
        return builder.Build();
    }

    private static bool Answer(ref ReadOnlySequence<byte> buffer, IBufferWriter<byte> output)
    {
        var answered = false;
        while (buffer.PositionOf((byte)0x1C) is { } end && buffer.Slice(end).Length > 1)
        {
            var reader = new SequenceReader<byte>(buffer.Slice(0, end));
            for (var bar = 0; bar < BarsBeforeControlId; bar++)
            {
                reader.TryAdvanceTo((byte)'|');
            }

            output.Write("\u000BMSH|^~\\&|||||||ACK|1|P|2.5.1\rMSA|AA|"u8);
            if (reader.TryReadTo(out ReadOnlySpan<byte> controlId, (byte)'|'))
            {
                output.Write(controlId);
            }

            output.Write("\r\u001C\r"u8);
            buffer = buffer.Slice(buffer.GetPosition(2, end));
            answered = true;
        }

        return answered;
    }
}
