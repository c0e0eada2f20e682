using System.Text;
using EhrGrains.Fhir.Bundles;
using EhrGrains.Fhir.Outcomes;
using EhrGrains.Fhir.Tests.Normalization;
using Hl7.Fhir.Model;

namespace EhrGrains.Fhir.Tests.Bundles;

public sealed class SearchsetWriterTests
{
    private const string Self = "https://gateway.example/fhir/st-mary/Patient?name=O%27Neil&_count=2";

    [Fact]
    public void A_page_with_all_its_parts_is_FHIR()
    {
        var entries = Encoding.UTF8.GetBytes($$$"""{"fullUrl":"https://gateway.example/fhir/st-mary/Patient/1","resource":{{{Hospital.Patient("1")}}},"search":{"mode":"match"}}""");

        var bundle = Read(entries, SearchsetWriter.Frame(true, 12, Self, "https://gateway.example/fhir/st-mary/Patient?_cursor=x", [new OutcomeIssue("warning", "incomplete", "Not all.")]));

        bundle.Type.ShouldBe(Bundle.BundleType.Searchset);
        bundle.Total.ShouldBe(12);
        bundle.SelfLink!.OriginalString.ShouldBe(Self);
        bundle.NextLink!.OriginalString.ShouldBe("https://gateway.example/fhir/st-mary/Patient?_cursor=x");
        bundle.Entry.Select(e => e.Search!.Mode).ShouldBe([Bundle.SearchEntryMode.Match, Bundle.SearchEntryMode.Outcome]);
        bundle.Entry[1].Resource.ShouldBeOfType<OperationOutcome>().Issue.Count.ShouldBe(1);
    }

    [Fact]
    public void An_empty_last_page_is_FHIR()
    {
        var bundle = Read([], SearchsetWriter.Frame(false, null, Self, null, []));

        bundle.Entry.ShouldBeEmpty();
        bundle.Total.ShouldBeNull();
        bundle.NextLink.ShouldBeNull();
    }

    private static Bundle Read(byte[] entries, SearchsetFrame frame) =>
        RealDataTests.Strict([.. frame.Head.Span, .. entries, .. frame.Tail.Span]).ShouldBeOfType<Bundle>();
}
