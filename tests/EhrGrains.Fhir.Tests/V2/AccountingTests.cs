using System.Globalization;
using System.Text;
using CsCheck;
using EhrGrains.Fhir.V2;
using EhrGrains.Hl7v2.Messages;
using static EhrGrains.Fhir.Tests.V2.Mapped;

namespace EhrGrains.Fhir.Tests.V2;

/// <summary>Nothing that a message holds is lost in silence (design I11).</summary>
public sealed class AccountingTests
{
    [Fact]
    public void What_a_message_says_of_its_patients_is_the_same_without_what_it_says_of_itself()
    {
        foreach (var name in Corpus.Names().Where((_, i) => i % 4 == 0))
        {
            if (Corpus.Map(name) is not { } whole)
            {
                continue;
            }

            using var message = Hl7Message.Parse(Corpus.Read(name));
            var ofPatients = Corpus.Map(message, ofPatientsOnly: true);

            ofPatients.Resources.Where(OfPatient).Select(Said).ShouldBe(whole.Resources.Where(OfPatient).Select(Said), name);
            ofPatients.Resources.ShouldNotContain(resource => resource.Type == "MessageHeader", name);
            ofPatients.Exceptions.Select(exception => exception.Location).ShouldBeSubsetOf(whole.Exceptions.Select(exception => exception.Location), name);
        }

        static bool OfPatient(MappedResource resource) => resource.Patient >= 0;

        static (int, string, string, string) Said(MappedResource resource) =>
            (resource.Patient, resource.Type, resource.Id, System.Text.Encoding.UTF8.GetString(resource.Json.Span));
    }

    [Fact]
    public void Every_populated_part_of_every_public_message_is_accounted_for()
    {
        var unexplained = new List<string>();
        foreach (var name in Corpus.Names())
        {
            if (Corpus.Map(name) is null)
            {
                continue;
            }

            using var message = Hl7Message.Parse(Corpus.Read(name));
            var mapped = Corpus.Map(message, explain: true);
            CheckParts(message, mapped);
            unexplained.AddRange(mapped.Accounting!.Parts
                .Where(part => part.Outcome == PartOutcome.Exception && !IsReported(part.Location, mapped.Exceptions)).Select(part => $"{name}: {part.Location}"));
        }

        unexplained.ShouldBeEmpty();
    }

    [Fact]
    public void Whatever_stands_in_a_message_is_accounted_for()
    {
        // Fields that the tables know and some that they do not, of components and subcomponents, in segments in any order.
        var leaf = Gen.OneOf(Gen.Const(""), Gen.Const("\"\""), Gen.String[Gen.Char["ABCYN0123456789.+- "], 1, 8]);
        var component = Gen.Select(leaf, leaf, (one, other) => other.Length == 0 ? one : $"{one}&{other}");
        var repetition = component.Array[0, 6].Select(components => string.Join('^', components));
        var field = Gen.Frequency((4, Gen.Const("")), (3, repetition), (1, Gen.Select(repetition, repetition, (one, other) => $"{one}~{other}")));
        var segment = Gen.Select(Gen.OneOf(new[] { "EVN", "PID", "PD1", "NK1", "PV1", "PV2", "MRG", "AL1", "IAM", "DG1", "PR1", "GT1", "IN1", "IN2", "ROL", "PRT", "OBX", "ORC", "OBR", "NTE", "ZAA" }.Select(Gen.Const).ToArray()), field.Array[1, 30], (id, fields) => $"{id}|{string.Join('|', fields)}");

        segment.Array[1, 6].Sample(
            segments =>
            {
                using var message = Hl7Message.Parse(Encoding.UTF8.GetBytes(string.Join('\r', segments.Prepend(Admission))));
                var mapped = Corpus.Map(message, explain: true);
                CheckParts(message, mapped);
                mapped.Accounting!.Parts.Where(part => part.Outcome == PartOutcome.Exception && !IsReported(part.Location, mapped.Exceptions)).ShouldBeEmpty();
            },
            iter: 1_000, seed: "0000000000001", threads: 1);
    }

    [Fact]
    public void A_part_says_by_which_rule_it_became_what()
    {
        var parts = Explained(Admission, "PID|1||1^^^H^MR||DOE^JANE||||||||||||||||||||||||||||||||||||X").Message.Accounting!.Parts.ToDictionary(part => part.Location);

        parts["PID-5.1"].Outcome.ShouldBe(PartOutcome.Mapped);
        parts["PID-5.1"].Uses.ShouldContain(use => use.Text == "Patient.name.family" && use.Rule.StartsWith("types.rules:"));
        parts["PID-1"].Outcome.ShouldBe(PartOutcome.Ignored);
        parts["PID-41"].Outcome.ShouldBe(PartOutcome.Exception);
    }

    [Fact]
    public void An_empty_element_says_which_rules_looked_for_it_and_what_they_found()
    {
        var steps = Explained(Admission, "PID|1||1^^^H^MR||DOE||20230230|||||||||||||||||||||||Y", "PV1|1|I").Message.Accounting!.Steps;

        Findings("Patient.birthDate").ShouldBe([RuleFinding.Refused]);
        Findings("Patient.deceasedDateTime").ShouldBe([RuleFinding.Empty]);
        Findings("Patient.deceasedBoolean").ShouldBe([RuleFinding.Written]);
        Findings("Encounter.period.end").ShouldBe([RuleFinding.Empty]);

        IEnumerable<RuleFinding> Findings(string element) => steps.Where(step => step.Element == element).Select(step => step.Finding);
    }

    // Each populated leaf once, in order, by an address that leads back to it.
    private static void CheckParts(Hl7Message message, MappedMessage mapped)
    {
        var parts = mapped.Accounting!.Parts;
        parts.Select(part => part.Location).ShouldBeUnique();
        var populated = 0;
        foreach (var segment in message.Segments)
        {
            for (var number = segment.IsHeader ? 3 : 1; number <= segment.FieldCount; number++)
            {
                foreach (var repetition in segment[number].Repetitions)
                {
                    foreach (var component in repetition.Components)
                    {
                        foreach (var leaf in component.Subcomponents)
                        {
                            populated += leaf.IsEmpty ? 0 : 1;
                        }
                    }
                }
            }
        }

        parts.Count.ShouldBe(populated);
        foreach (var part in parts)
        {
            message[part.Location].IsEmpty.ShouldBeFalse(part.Location);
        }
    }

    // By its field, or as part of a segment that there are no rules for; where the list of exceptions is full, it says that something is.
    private static bool IsReported(string location, IReadOnlyList<MappingException> exceptions)
    {
        var address = Hl7Address.Parse(location, CultureInfo.InvariantCulture);
        return exceptions.Count == 200 || exceptions.Any(exception => exception.Location == address.Segment
            || (Hl7Address.TryParse(exception.Location, out var at) && at.Segment == address.Segment && at.Field == address.Field));
    }
}
