using System.Text.Json;
using EhrGrains.Fhir.V2;
using EhrGrains.Hl7v2.Messages;
using Hl7.Fhir.Serialization;

namespace EhrGrains.Fhir.Tests.V2;

/// <summary>What a sender, a network or a person breaks.</summary>
public sealed class BrokenMessageTests
{
    private const int MessagesCount = 400;
    private const int BytesMax = 4096;

    [Fact]
    public void A_broken_message_still_becomes_valid_R4()
    {
        var random = new Random(20_261_123);
        var names = Corpus.Names().ToArray();
        var (faults, read) = (new List<string>(), 0);
        for (var i = 0; i < MessagesCount; i++)
        {
            var bytes = Break(Corpus.Read(names[random.Next(names.Length)]), random);
            using var message = new Hl7Message();
            if (!message.Read(bytes).Ok)
            {
                continue;
            }

            read++;
            var bundle = MappedBundle.Write(Corpus.Map(message));
            var reader = new Utf8JsonReader(bundle);
            FhirJsonDeserializer.STRICT.TryDeserializeResource(ref reader, out _, out var issues);
            faults.AddRange(issues.Select(issue => $"{i}: {issue.Message}"));
        }

        faults.ShouldBeEmpty();
        read.ShouldBeGreaterThan(MessagesCount / 2);
    }

    [Fact]
    public void Ten_thousand_observations_are_mapped_and_their_faults_bounded()
    {
        var observations = Enumerable.Range(1, 10_000).Select(number => $"OBX|{number}|NM|{number}^x^L|{number}|{number}|mg|||||F|||no-time");

        var mapped = Mapped.Of([@"MSH|^~\&|A|B|C|D|20240131||ORU^R01^ORU_R01|1|P|2.5.1", "PID|1||1^^^H^MR", "OBR|1||7^L|A^B^L|||2024", .. observations]);

        mapped.Message.Resources.Count(resource => resource.Type == "Observation").ShouldBe(10_000);
        mapped.One("DiagnosticReport").GetProperty("result").GetArrayLength().ShouldBe(10_000);
        mapped.Message.Exceptions.Count.ShouldBe(200);
        mapped.Message.Exceptions[^1].Kind.ShouldBe(MappingExceptionKinds.TooLarge);
    }

    private static byte[] Break(byte[] message, Random random)
    {
        var bytes = message.Take(BytesMax).ToList();
        for (var times = random.Next(1, 30); times > 0 && bytes.Count > 1; times--)
        {
            var at = random.Next(bytes.Count);
            switch (random.Next(4))
            {
                case 0:
                    bytes[at] = "|^~\\&\r\"#0Z "u8[random.Next(11)];
                    break;
                case 1:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 2:
                    bytes.RemoveRange(at, Math.Min(random.Next(1, 40), bytes.Count - at));
                    break;
                default:
                    bytes.InsertRange(at, bytes.GetRange(at, Math.Min(random.Next(1, 300), bytes.Count - at)));
                    break;
            }
        }

        return [.. bytes];
    }
}
